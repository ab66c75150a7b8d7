import { constants } from 'node:fs';
import { Errno, errnoName } from '../os/errno.ts';
import { closeFd, tryLockOpenFile } from '../os/fd.ts';
import { openTrusted } from '../os/trusted-path.ts';
import { DaemonExit, ExitCode } from './exit-codes.ts';

/** Stays when the daemon ends: what counts is the lock. */
const FILE = 'rondo.lock';

/**
 * The state directory belongs to one daemon: two with the same node id would take the same ring sequences, and each would give back
 * what the other uses. The lock (`flock`) is on a file that nobody else can open, because whoever can open one, for reading or a directory, too,
 * can lock it and keep the daemon from starting. It ends with the process. Stock does not know it: the lock file keeps a stock daemon and one
 * of ours apart.
 */
export class StateLock {
  private constructor(private readonly fd: number) {}

  /** Throws DaemonExit when another daemon has the directory. `null`: nothing can be written or locked there, and `why` hears the reason. */
  static acquire(directory: string, why: (reason: string) => void): StateLock | null {
    let fd: number;
    try {
      fd = openTrusted(`${directory}/${FILE}`, constants.O_RDWR | constants.O_CREAT, 0o600);
    } catch (error) {
      why((error as NodeJS.ErrnoException).code ?? String(error));
      return null;
    }
    const locked = tryLockOpenFile(fd);
    if (locked >= 0) return new StateLock(fd);
    closeFd(fd);
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
