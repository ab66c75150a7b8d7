import type { CliIo } from './command.ts';
import { CliExit } from './exit-codes.ts';
import { runCli } from './main.ts';

/** Entry point of bin/rondo: joins the command line to this process's streams and signals. */
const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
process.once('SIGTERM', () => abort.abort());
// A reader that went away (`rondo cpg watch g | head -1`) ends the command quietly.
process.stdout.on('error', () => abort.abort());

const io: CliIo = {
  out: (text) => process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  stdin: process.stdin,
  env: process.env,
  signal: abort.signal,
  columns: process.stdout.isTTY ? process.stdout.columns : 0,
};

const status = await runCli(process.argv.slice(2), io);
process.exitCode = abort.signal.aborted && status === CliExit.OK ? CliExit.INTERRUPTED : status;
// Whatever handle is left (standard input of a command that was interrupted) must not keep the process.
process.stdout.write('', () => process.exit());
