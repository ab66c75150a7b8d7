import { closeSync, constants, ftruncateSync, writeSync } from 'node:fs';
import { readOwnFile, removeOwnFile } from '../os/own-file.ts';
import { openTrusted } from '../os/trusted-path.ts';
import { DaemonExit, ExitCode } from './exit-codes.ts';

const PID_BYTES_MAX = 32;

/**
 * Lock and pid file: `PID\n`, mode 0640, a write lock by `fcntl` held for the life of the process, so a file left behind
 * by a crash harms nobody (config-and-tools.md 3.1). Same file and same kind of lock as stock: the two exclude each other.
 */
export class LockFile {
  private constructor(
    readonly path: string,
    private readonly fd: number,
  ) {}

  /** `tryLock` takes the write lock on a descriptor; `false`: another process has it. */
  static acquire(path: string, tryLock: (fd: number) => boolean): LockFile {
    let fd: number;
    try {
      fd = openTrusted(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o640);
    } catch (error) {
      throw new DaemonExit(ExitCode.LOCK_FILE, `Cannot acquire lock file ${path}: ${reason(error)}`, { cause: error });
    }
    try {
      if (!tryLock(fd)) {
        throw new DaemonExit(
          ExitCode.ALREADY_RUNNING,
          `Another Corosync instance is already running.${owner(path)} Stop it, or give this one its own --ipc-instance and --lock-file`,
        );
      }
      ftruncateSync(fd, 0);
      writeSync(fd, `${process.pid}\n`);
    } catch (error) {
      closeSync(fd);
      if (error instanceof DaemonExit) throw error;
      throw new DaemonExit(ExitCode.LOCK_FILE, `Cannot lock or write ${path}: ${reason(error)}`, { cause: error });
    }
    return new LockFile(path, fd);
  }

  /** Orderly end: removes the file, then drops the lock with the descriptor. */
  release(): void {
    try {
      removeOwnFile(this.path);
    } catch {
      // Somebody removed it first: the lock is what counts.
    }
    closeSync(this.fd);
  }
}

function owner(path: string): string {
  try {
    const pid = Buffer.from(readOwnFile(path, PID_BYTES_MAX) ?? [])
      .toString('latin1')
      .trim();
    return /^\d+$/.test(pid) ? ` Its pid is ${pid} (${path}).` : ` (${path})`;
  } catch {
    return ` (${path})`;
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
