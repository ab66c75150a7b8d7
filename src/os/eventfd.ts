import { Arena } from './arena.ts';
import { check } from './errno.ts';
import { closeFd } from './fd.ts';
import { bind, orErrno } from './libc.ts';

const cEventfd = bind<(initial: number, flags: number) => number>('eventfd', 'int', ['uint32_t', 'int']);
const cRead = bind<(fd: number, address: number, bytes: number) => number>('read', 'int64_t', [
  'int',
  'uintptr_t',
  'size_t',
]);
const cWrite = bind<(fd: number, address: number, bytes: number) => number>('write', 'int64_t', [
  'int',
  'uintptr_t',
  'size_t',
]);
const NONBLOCK_CLOEXEC = 0o2004000;

/** One page a thread: word 0-1 is the constant 1 (u64), word 2-3 takes what is read. */
const memory = Arena.map(4096);
memory.i32[0] = 1;

/** An eventfd, non-blocking. The number may be passed to another thread. */
export const openEventfd = (): number => check(orErrno(cEventfd(0, NONBLOCK_CLOEXEC)), 'eventfd');
/** Rings the bell. A full counter (-EAGAIN) means it rings already. */
export const signalEventfd = (fd: number): number => orErrno(cWrite(fd, memory.address, 8));
/** Silences the bell; -EAGAIN if it did not ring. */
export const clearEventfd = (fd: number): number => orErrno(cRead(fd, memory.address + 8, 8));

/**
 * Notification bytes for a socket: the contents mean nothing, so any number up to 4096 goes out from one constant page.
 */
const ones = Arena.map(4096);
ones.u8.fill(1);
export const NOTIFY_BYTES_MAX = 4096;
export const notifyBytesAddress: number = ones.address;
export const closeEventfd = closeFd;
