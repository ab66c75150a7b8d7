import type { Command } from '../command.ts';
import { completionScript, SHELLS } from '../completion.ts';
import { CliExit, UsageError } from '../exit-codes.ts';

/** `commands`: all of them, this one included. */
export const completionCommand = (commands: () => readonly Command[]): Command => ({
  words: 'completion',
  arguments: SHELLS.join('|'),
  summary: 'print a script that completes commands and options',
  details: 'It asks nothing of a daemon.',
  options: {},
  optionHelp: [],
  examples: ['source <(rondo completion bash)'],
  positionals: [1, 1],
  async run({ io, positionals }) {
    const shell = SHELLS.find((name) => name === positionals[0]);
    if (shell === undefined) throw new UsageError(`there is no completion for '${positionals[0]}'`, 'completion');
    io.out(completionScript(shell, commands()));
    return CliExit.OK;
  },
});
