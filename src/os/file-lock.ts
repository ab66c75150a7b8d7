import { scratch } from './arena.ts';
import { check, Errno } from './errno.ts';
import { bind, orErrno } from './libc.ts';

const cFcntl = bind<(fd: number, command: number, lock: number) => number>('fcntl', 'int', ['int', 'int', 'uintptr_t']);

const F_SETLK = 6;
const F_WRLCK = 1;
/** struct flock: 0 type i16 | 2 whence i16 | 8 start i64 | 16 length i64 | 24 pid i32 */
const FLOCK_BYTES = 32;

/**
 * Takes the write lock on a whole file, for this process, until it ends or closes any descriptor of the file. `false`:
 * another process has it. It is the lock that stock takes on its pid file.
 */
export function lockFile(fd: number): boolean {
  scratch.u8.fill(0, 0, FLOCK_BYTES);
  scratch.u16[0] = F_WRLCK;
  const result = orErrno(cFcntl(fd, F_SETLK, scratch.address));
  if (result === -Errno.EAGAIN || result === -Errno.EACCES) return false;
  check(result, 'locking a file');
  return true;
}
