import type { CliIo, Keyboard } from './command.ts';

/**
 * Entry point of bin/rondo: joins the command line to this process's streams and signals. Code is imported after the first statement:
 * until SIGUSR1 has a listener, Node.js opens its debugger on it.
 */
process.on('SIGUSR1', () => {});

const { loadProgram } = await import('../os/program.ts');
const { main } = await loadProgram<typeof import('./program.ts')>('cli', 'src/cli/program.js');
const { CliExit, exitProcess, runCli } = main;

const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
process.once('SIGTERM', () => abort.abort());
// A reader that went away (`rondo cpg watch g | head -1`) ends the command quietly.
process.stdout.on('error', () => abort.abort());

const keyboard: Keyboard = {
  size: () => ({ width: process.stdout.columns || 80, height: process.stdout.rows || 24 }),
  listen: (key) => {
    const { stdin } = process;
    const heard = (bytes: Buffer): void => {
      for (const character of bytes.toString()) key(character);
    };
    stdin.setRawMode(true).on('data', heard).resume();
    return () => {
      stdin.off('data', heard).setRawMode(false).pause();
    };
  },
};

const io: CliIo = {
  out: (text) => process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  stdin: process.stdin,
  env: process.env,
  signal: abort.signal,
  keyboard: process.stdin.isTTY && process.stdout.isTTY ? keyboard : null,
};

const status = await runCli(process.argv.slice(2), io);
// Whatever is left (standard input of a command that was interrupted, a name that is looked up) must not keep the process.
process.stdout.write('', () =>
  exitProcess(abort.signal.aborted && status === CliExit.OK ? CliExit.INTERRUPTED : status),
);
