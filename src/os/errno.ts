import { constants } from 'node:os';
import { RondoError } from '../lib/errors.ts';

const NAMES = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) if (!NAMES.has(value)) NAMES.set(value, name);
// Aliases and numbers that node:os does not list.
NAMES.set(11, 'EAGAIN');
NAMES.set(95, 'ENOTSUP');
NAMES.set(108, 'ESHUTDOWN');

/** Numbers of Linux that the code compares with. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  EMFILE: 24,
  ENOSPC: 28,
  EPIPE: 32,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  EPROTO: 71,
  EBADMSG: 74,
  EMSGSIZE: 90,
  EADDRINUSE: 98,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
} as const;

/** Name of an errno given as n or -n; `E<number>` when unknown. */
export function errnoName(errno: number): string {
  const positive = Math.abs(errno);
  return NAMES.get(positive) ?? `E${positive}`;
}

/** A system call of the set-up path failed. */
export class OsError extends RondoError {
  static override readonly errorName = 'OsError';
  /** Name of the errno: `EADDRINUSE`. */
  readonly errno: string;
  constructor(
    /** Number of the errno, positive. */
    readonly errnoNumber: number,
    what: string,
    hint = '',
  ) {
    super(`RONDO_OS_${errnoName(errnoNumber)}`, `${what}: ${errnoName(errnoNumber)}`, hint);
    this.errno = errnoName(errnoNumber);
  }
}

/** Throws an `OsError` if `result` is a `-errno`; for calls of the set-up path. */
export function check(result: number, what: string): number {
  if (result < 0) throw new OsError(-result, what);
  return result;
}
