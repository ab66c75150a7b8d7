/** What bin/rondo starts, as one program. */
export { CliExit } from './exit-codes.ts';
export { runCli } from './main.ts';
