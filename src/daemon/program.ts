/** What bin/rondod starts, as one program. */
export { debuggerProblem } from '../os/debugger.ts';
export { runDaemon } from './main.ts';
