/**
 * Entry point of bin/rondod. Its first statement must be the first that runs, so everything else is imported after it: until SIGUSR1 has
 * a listener, Node.js opens its debugger on it, for every local user, and for the life of the process.
 */
process.on('SIGUSR1', () => {});

const REFUSED = 1;
const FATAL = 15;

/**
 * For the time before there is a log. The name is that of program-name.ts, which cannot be imported: it would run before the first statement. Whoever starts a daemon reads one line, not a stack.
 */
function endWith(status: number, text: string): never {
  process.stderr.write(`${process.title === 'corosync' ? 'corosync' : 'rondod'}: ${text}\n`);
  process.exit(status);
}

const failed = (error: unknown): never =>
  endWith(FATAL, `cannot start: ${error instanceof Error ? error.message : String(error)}`);
// main.ts puts its own in their place once there is a log.
process.once('uncaughtException', failed).once('unhandledRejection', failed);

try {
  const { loadProgram } = await import('../os/program.ts');
  const { main } = await loadProgram<typeof import('./program.ts')>('daemon', 'src/daemon/program.js');
  const { debuggerProblem, exitProcess, runDaemon } = main;
  // After the imports: a signal that came before the listener has had its effect by now.
  const problem = await debuggerProblem();
  if (problem !== null) endWith(REFUSED, `refuses to run: ${problem}. Start it with bin/rondod, which leaves that out`);
  const status = await runDaemon(process.argv.slice(2));
  // A ring thread that could not be stopped, a client that holds a socket, or a file that is never read must not keep the process.
  exitProcess(status);
} catch (error) {
  failed(error);
}

export {};
