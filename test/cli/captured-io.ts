import type { CliIo } from '../../src/cli/command.ts';

/** What a command writes, without input or terminal. */
export interface CapturedIo extends CliIo {
  stdout: string;
  stderr: string;
  /** Both, in their order. */
  text: string;
}

export function capturedIo(env: NodeJS.ProcessEnv = {}): CapturedIo {
  const io: CapturedIo = {
    stdout: '',
    stderr: '',
    text: '',
    out(part) {
      io.stdout += part;
      io.text += part;
      return true;
    },
    err(part) {
      io.stderr += part;
      io.text += part;
    },
    stdin: (async function* () {})(),
    env,
    signal: new AbortController().signal,
    keyboard: null,
  };
  return io;
}
