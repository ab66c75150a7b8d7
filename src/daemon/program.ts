/** What bin/rondod starts, as one program. */
export { debuggerProblem } from '../os/debugger.ts';
export { exitProcess } from '../os/exit-process.ts';
export { runDaemon } from './main.ts';
