import type { CliIo } from '../../src/cli/command.ts';
import { runCli } from '../../src/cli/main.ts';

/** A command in this process, without input or terminal. */
export async function rondo(...args: readonly string[]): Promise<{ status: number; out: string; err: string }> {
  const result = { status: -1, out: '', err: '' };
  const io: CliIo = {
    out: (text) => {
      result.out += text;
      return true;
    },
    err: (text) => {
      result.err += text;
    },
    stdin: (async function* () {})(),
    env: {},
    signal: new AbortController().signal,
    keyboard: null,
  };
  result.status = await runCli(args, io);
  return result;
}
