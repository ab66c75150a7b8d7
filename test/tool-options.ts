import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/** The words behind one of the project's own tools. `--help` prints the usage and ends with 0; what it does not know ends it with the usage and 2. */
export function toolOptions<const T extends Options>(
  usage: string,
  options: T,
): ReturnType<typeof parseArgs<{ options: T }>>['values'] {
  if (process.argv.slice(2).includes('--help')) {
    process.stdout.write(`${usage.trimEnd()}\n`);
    process.exit(0);
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    const [problem = ''] = String(error instanceof Error ? error.message : error).split('\n');
    return refuse(usage, problem);
  }
}

/** What an option's numbers may be; both bounds included. */
export interface NumberLimits {
  readonly min: number;
  readonly max: number;
  /** Fractions are numbers, too. */
  readonly fractions?: boolean;
}

/** A measurement or a search takes so long at most, seconds and minutes. */
export const SECONDS: NumberLimits = { min: 0.01, max: 86_400, fractions: true };
export const MINUTES: NumberLimits = { min: 0.01, max: 10_000, fractions: true };
/** Rounds, seeds, packets. */
export const COUNT: NumberLimits = { min: 1, max: 1e9 };

/** The numbers of an option, between commas. One that is none, or out of bounds, ends the tool with the usage and 2: it would measure nothing, or never end. */
export function toolNumbers(usage: string, option: string, text: string, limits: NumberLimits): number[] {
  const { min, max, fractions = false } = limits;
  return text.split(',').map((word) => {
    const value = word.trim() === '' ? Number.NaN : Number(word);
    if (value >= min && value <= max && (fractions || Number.isInteger(value))) return value;
    return refuse(
      usage,
      `--${option} ${text}: '${word}' is no ${fractions ? '' : 'whole '}number from ${min} to ${max}`,
    );
  });
}

/** The one number of an option. */
export function toolNumber(usage: string, option: string, text: string, limits: NumberLimits): number {
  const [value, ...more] = toolNumbers(usage, option, text, limits);
  if (value === undefined || more.length > 0) return refuse(usage, `--${option} ${text}: one number is wanted`);
  return value;
}

/** The words of an option, between commas, each one of `words`. */
export function toolWords<const Word extends string>(
  usage: string,
  option: string,
  text: string,
  words: readonly Word[],
): Word[] {
  return text.split(',').map((word) => {
    const found = words.find((known) => known === word);
    return found ?? refuse(usage, `--${option} ${text}: '${word}' is none of ${words.join(', ')}`);
  });
}

function refuse(usage: string, problem: string): never {
  process.stderr.write(`${problem}\n${usage.trimEnd()}\n`);
  process.exit(2);
}
