/**
 * Entry point of bin/rondod. Its first statement must be the first that runs, so everything else is imported after it: until SIGUSR1 has
 * a listener, Node.js opens its debugger on it, for every local user, and for the life of the process.
 */
process.on('SIGUSR1', () => {});

const { debuggerProblem } = await import('../os/debugger.ts');
const { runDaemon } = await import('./main.ts');

// After the imports: a signal that came before the listener has had its effect by now.
const problem = await debuggerProblem();
if (problem !== null) {
  process.stderr.write(`rondod: refuses to run: ${problem}. Start it with bin/rondod, which leaves that out\n`);
  process.exit(1);
}
const status = await runDaemon(process.argv.slice(2));
// A ring thread that could not be stopped, or a client that holds a socket, must not keep the process.
process.exit(status);

export {};
