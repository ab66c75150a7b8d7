/** What bin/corosync-tool starts, as one program. */
export { TOOLS } from './index.ts';
export { Exit } from './tool.ts';
