/** What a long option takes: nothing, or an argument. `short` is the letter that stands for it. */
export interface LongOption {
  readonly name: string;
  readonly short: string;
  readonly argument: boolean;
}

export interface Option {
  /** The letter; `?` when the option is unknown or its argument missing. A long option without a letter has its name here. */
  readonly letter: string;
  readonly value: string;
}

export interface ParsedLine {
  /** In the order in which they were given. */
  readonly options: readonly Option[];
  readonly operands: readonly string[];
  /** What the C library writes to standard error, line by line. */
  readonly errors: readonly string[];
}

/**
 * Reads a command line as the C library's `getopt` and `getopt_long` do, with its messages: letters can be joined, options may stand
 * behind operands, `--` ends them, long names may be shortened. `letters` is the string that C programs pass: a colon follows a letter
 * that takes an argument.
 */
export function getopt(
  program: string,
  args: readonly string[],
  letters: string,
  long: readonly LongOption[] | null = null,
): ParsedLine {
  const options: Option[] = [];
  const operands: string[] = [];
  const errors: string[] = [];
  const unknown = (message: string): void => {
    errors.push(`${program}: ${message}`);
    options.push({ letter: '?', value: '' });
  };
  let at = 0;
  while (at < args.length) {
    const word = args[at++]!;
    if (word === '--') {
      operands.push(...args.slice(at));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    if (long !== null && word.startsWith('--')) {
      at = longOption(word.slice(2), at);
      continue;
    }
    at = shortOptions(word, at);
  }
  return { options, operands, errors };

  function shortOptions(word: string, next: number): number {
    for (let i = 1; i < word.length; i++) {
      const letter = word[i]!;
      const index = letter === ':' ? -1 : letters.indexOf(letter);
      if (index < 0) unknown(`invalid option -- '${letter}'`);
      else if (letters[index + 1] !== ':') options.push({ letter, value: '' });
      else if (i + 1 < word.length) {
        options.push({ letter, value: word.slice(i + 1) });
        return next;
      } else if (next < args.length) {
        options.push({ letter, value: args[next]! });
        return next + 1;
      } else unknown(`option requires an argument -- '${letter}'`);
    }
    return next;
  }

  function longOption(text: string, next: number): number {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    const found = matching(name, long ?? []);
    const [option] = found;
    if (option === undefined) unknown(`unrecognized option '--${text}'`);
    else if (found.length > 1) {
      const possible = found.map((one) => ` '--${one.name}'`).join('');
      unknown(`option '--${text}' is ambiguous; possibilities:${possible}`);
    } else if (!option.argument && equals >= 0) unknown(`option '--${option.name}' doesn't allow an argument`);
    else if (!option.argument) options.push({ letter: option.short || option.name, value: '' });
    else if (equals >= 0) options.push({ letter: option.short || option.name, value: text.slice(equals + 1) });
    else if (next < args.length) {
      options.push({ letter: option.short || option.name, value: args[next]! });
      return next + 1;
    } else unknown(`option '--${option.name}' requires an argument`);
    return next;
  }
}

function matching(name: string, long: readonly LongOption[]): readonly LongOption[] {
  const exact = long.filter((option) => option.name === name);
  return exact.length > 0 ? exact : long.filter((option) => option.name.startsWith(name));
}

/** A whole number as `strtoll` reads it with nothing behind it, within bounds; `null` otherwise. */
export function wholeNumber(text: string, min: number, max: number): number | null {
  if (!/^[ \t\n\v\f\r]*[+-]?[0-9]+$/.test(text)) return null;
  const value = BigInt(text.trim().replace(/^\+/, ''));
  return value < BigInt(min) || value > BigInt(max) ? null : Number(value);
}
