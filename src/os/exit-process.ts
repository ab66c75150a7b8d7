import { leftBehind } from '../lib/left-behind.ts';
import { bind } from './libc.ts';

const exitAtOnce = bind<(status: number) => number>('_exit', 'void', ['int']);

/** Ends the process. Node.js's own end waits for the threads of its pool: with work that never ends, for ever. */
export function exitProcess(status: number): never {
  if (leftBehind() > 0) process.once('exit', () => void exitAtOnce(status));
  process.exit(status);
}
