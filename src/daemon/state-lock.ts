import { Errno, errnoName } from '../os/errno.ts';
import { closeFd, openDirectory, tryLockOpenFile } from '../os/fd.ts';
import { DaemonExit, ExitCode } from './exit-codes.ts';

/**
 * The state directory belongs to one daemon: two with the same node id would take the same ring sequences, and each would give back
 * what the other uses. The lock (`flock`) is on the directory itself, needs no file in it, and ends with the process. Stock does not
 * know it: the lock file keeps a stock daemon and one of ours apart.
 */
export class StateLock {
  private constructor(private readonly fd: number) {}

  /** Throws DaemonExit when another daemon has the directory. `null`: this file system has no such locks, and `why` hears the reason. */
  static acquire(directory: string, why: (reason: string) => void): StateLock | null {
    const fd = openDirectory(`${directory}/.`);
    const locked = fd < 0 ? fd : tryLockOpenFile(fd);
    if (locked >= 0) return new StateLock(fd);
    if (fd >= 0) closeFd(fd);
    if (locked === -Errno.EAGAIN)
      throw new DaemonExit(
        ExitCode.ALREADY_RUNNING,
        `Another daemon uses the state directory ${directory}. Stop it, or give this one its own --state-dir`,
      );
    why(errnoName(locked));
    return null;
  }

  release(): void {
    closeFd(this.fd);
  }
}
