import { runDaemon } from './main.ts';

/** Entry point of bin/rondod. */
const status = await runDaemon(process.argv.slice(2));
// A ring thread that could not be stopped, or a client that holds a socket, must not keep the process.
process.exit(status);
