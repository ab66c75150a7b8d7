/**
 * Entry point of the commands with stock's names: `entry.js NAME ARGUMENT…`, as bin/corosync-tool calls it. Code is imported after the
 * first statement: until SIGUSR1 has a listener, Node.js opens its debugger on it.
 */
process.on('SIGUSR1', () => {});

const { basename } = await import('node:path');
const { writeSync } = await import('node:fs');
const { isatty } = await import('node:tty');
const { loadProgram } = await import('../../os/program.ts');
const { Exit, exitProcess, TOOLS } = (
  await loadProgram<typeof import('./program.ts')>('tools', 'src/cli/stock/program.js')
).main;

const [called = '', ...args] = process.argv.slice(2);
const tool = TOOLS.find(({ name }) => name === basename(called));
if (tool === undefined) {
  process.stderr.write(`${called} is none of ${TOOLS.map(({ name }) => name).join(', ')}\n`);
  process.exit(1);
}

const abort = new AbortController();
for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(signal, () => {
    abort.abort();
    if (tool.daemon !== true) exitProcess(128 + number);
  });
}

/** Written at once, and whole, as a C program's output is at its end: nothing may be left when the process exits. */
function write(fd: number, text: string | Uint8Array): void {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      if (code === 'EPIPE') exitProcess(0); // the reader went away
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

const io = {
  out: (text: string | Uint8Array) => write(1, text),
  err: (text: string) => write(2, text),
  terminal: isatty(1),
  stdin: process.stdin,
  signal: abort.signal,
};
let status: number;
try {
  status = await tool.run(args, io, called);
} catch (error) {
  if (!(error instanceof Exit)) throw error;
  status = error.status;
}
exitProcess(status);
