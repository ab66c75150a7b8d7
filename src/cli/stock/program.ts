/** What bin/corosync-tool starts, as one program. */
export { exitProcess } from '../../os/exit-process.ts';
export { TOOLS } from './index.ts';
export { Exit } from './tool.ts';
