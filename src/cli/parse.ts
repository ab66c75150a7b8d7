import { parseArgs } from 'node:util';
import { nearest } from '../lib/nearest.ts';
import { COMMON_OPTIONS, type Command, type OptionValues } from './command.ts';
import { UsageError } from './exit-codes.ts';

export type Invocation =
  | { readonly kind: 'overview' }
  | { readonly kind: 'version' }
  | { readonly kind: 'group'; readonly word: string; readonly members: readonly Command[] }
  | { readonly kind: 'help'; readonly command: Command }
  | {
      readonly kind: 'run';
      readonly command: Command;
      readonly values: OptionValues;
      readonly positionals: readonly string[];
    };

/** Command words come first; options may stand anywhere behind them. */
export function parseInvocation(argv: readonly string[], commands: readonly Command[]): Invocation {
  const first = argv[0];
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    const rest = argv.slice(1).filter((word) => !word.startsWith('-'));
    return rest.length > 0 ? parseInvocation([...rest, '--help'], commands) : { kind: 'overview' };
  }
  if (first === '--version' || first === '-V') return { kind: 'version' };
  const command = findCommand(argv, commands);
  if (command === null) return unknownCommand(argv, commands);
  const rest = argv.slice(command.words.split(' ').length);
  let parsed: { values: OptionValues; positionals: string[] };
  try {
    parsed = parseArgs({
      args: rest,
      options: { ...command.options, ...COMMON_OPTIONS },
      strict: true,
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? firstSentence(error.message) : String(error), command.words);
  }
  if (parsed.values['help'] === true) return { kind: 'help', command };
  const [least, most] = command.positionals;
  if (parsed.positionals.length < least) throw new UsageError('an argument is missing', command.words);
  if (parsed.positionals.length > most) {
    throw new UsageError(`unexpected argument '${parsed.positionals[most]}'`, command.words);
  }
  return { kind: 'run', command, ...parsed };
}

/** The longest match wins: `quorum watch` before `quorum`. */
function findCommand(argv: readonly string[], commands: readonly Command[]): Command | null {
  let best: Command | null = null;
  for (const command of commands) {
    const words = command.words.split(' ');
    if (words.some((word, index) => argv[index] !== word)) continue;
    if (best === null || words.length > best.words.split(' ').length) best = command;
  }
  return best;
}

function unknownCommand(argv: readonly string[], commands: readonly Command[]): Invocation {
  const word = argv[0]!;
  const members = commands.filter((command) => command.words.startsWith(`${word} `));
  if (members.length > 0) {
    const second = argv[1];
    if (second === undefined || second.startsWith('-')) return { kind: 'group', word, members };
    throw new UsageError(
      `rondo ${word} has no command '${second}'; it has ${list(members.map((command) => command.words.slice(word.length + 1)))}`,
    );
  }
  if (word.startsWith('-')) throw new UsageError(`${word}: options come after the command, as in: rondo status --json`);
  const near = nearest(word, [...new Set(commands.map((command) => command.words.split(' ')[0]!))]);
  throw new UsageError(`unknown command '${word}'${near === null ? '' : `; did you mean '${near}'?`}`);
}

const list = (words: readonly string[]): string => words.join(', ');
const firstSentence = (text: string): string => text.split('. ')[0] ?? text;
