import { closeSync, constants, ftruncateSync, mkdirSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { lockFile } from '../os/file-lock.ts';
import { openTrusted } from '../os/trusted-path.ts';

const RUN_DIRECTORY_MODE = 0o770;

/**
 * Lock and pid file of a daemon, held for the life of the process, empty until `writePid`. `null`: another instance has it. Throws what
 * the system says.
 */
export function takeLock(path: string): number | null {
  try {
    mkdirSync(dirname(path), { mode: RUN_DIRECTORY_MODE });
  } catch {
    // It is there, or opening the file says why not.
  }
  const fd = openTrusted(path, constants.O_RDWR | constants.O_CREAT, 0o640);
  try {
    if (!lockFile(fd)) {
      closeSync(fd);
      return null;
    }
    ftruncateSync(fd, 0);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The pid is there when tools are served: who starts the daemon in the background waits for it, and asks the next moment. */
export function writePid(fd: number): void {
  writeSync(fd, `${process.pid}\n`, 0);
}
