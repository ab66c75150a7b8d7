import { Arena } from './arena.ts';
import { check } from './errno.ts';
import { bind, orErrno } from './libc.ts';

const cCreate = bind<(clock: number, flags: number) => number>('timerfd_create', 'int', ['int', 'int']);
const cSettime = bind<(fd: number, flags: number, value: number, old: number) => number>('timerfd_settime', 'int', [
  'int',
  'int',
  'uintptr_t',
  'uintptr_t',
]);
const cRead = bind<(fd: number, address: number, bytes: number) => number>('read', 'int64_t', [
  'int',
  'uintptr_t',
  'size_t',
]);
const CLOCK_MONOTONIC = 1;
const NONBLOCK_CLOEXEC = 0o2004000;

/** itimerspec: interval (seconds, nanoseconds), value (seconds, nanoseconds), 64 bits each; then 8 bytes to read into. */
const memory = Arena.map(4096);

export const openTimerfd = (): number => check(orErrno(cCreate(CLOCK_MONOTONIC, NONBLOCK_CLOEXEC)), 'timerfd_create');

/** One shot in `microseconds` from now (at least 1); 0 disarms. */
export function armTimerfd(fd: number, microseconds: number): number {
  memory.i32[4] = Math.floor(microseconds / 1e6);
  memory.i32[6] = Math.floor(microseconds % 1e6) * 1000;
  return orErrno(cSettime(fd, 0, memory.address, 0));
}

/** Takes the expiry; -EAGAIN if there is none. */
export const clearTimerfd = (fd: number): number => orErrno(cRead(fd, memory.address + 64, 8));
