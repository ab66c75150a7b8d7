/** What bin/rondo starts, as one program. */
export { exitProcess } from '../os/exit-process.ts';
export { CliExit } from './exit-codes.ts';
export { runCli } from './main.ts';
