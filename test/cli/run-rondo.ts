import { runCli } from '../../src/cli/main.ts';
import { capturedIo } from './captured-io.ts';

/** A command in this process, without input or terminal. */
export async function rondo(
  ...args: readonly string[]
): Promise<{ status: number; out: string; err: string; text: string }> {
  const io = capturedIo();
  const status = await runCli(args, io);
  return { status, out: io.stdout, err: io.stderr, text: io.text };
}
