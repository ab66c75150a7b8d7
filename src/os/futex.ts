import { Arena } from './arena.ts';
import { bind, orErrno } from './libc.ts';

const cSyscall = bind<
  (n: number, address: number, op: number, value: number, timeout: number, address2: number, value3: number) => number
>('syscall', 'int64_t', ['int64_t', 'uintptr_t', 'int', 'uint32_t', 'uintptr_t', 'uintptr_t', 'uint32_t']);
const SYS_FUTEX = process.arch === 'arm64' ? 98 : 202;
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const memory = Arena.map(4096);

/** Wakes up to `count` sleepers on a word of shared memory; returns how many. */
export const futexWake = (address: number, count: number): number =>
  orErrno(cSyscall(SYS_FUTEX, address, FUTEX_WAKE, count, 0, 0, 0));

/** Sleeps while the word is `expected`, at most `timeoutMs`. 0, -EAGAIN (word differs), -ETIMEDOUT or -EINTR. Blocks the thread. */
export function futexWait(address: number, expected: number, timeoutMs: number): number {
  memory.i32[0] = Math.floor(timeoutMs / 1000);
  memory.i32[2] = Math.floor(timeoutMs % 1000) * 1e6;
  return orErrno(cSyscall(SYS_FUTEX, address, FUTEX_WAIT, expected, memory.address, 0, 0));
}

/**
 * glibc's `sem_t`, 64 bit (libqb-ipc.md 2.6): value u32 @0, waiters u32 @4, scope i32 @8 (128: shared between processes), zero to 32.
 */
export const SEM_BYTES = 32;
export function initSemaphore(i32: Int32Array, offset: number): void {
  i32.fill(0, offset >> 2, (offset + SEM_BYTES) >> 2);
  i32[(offset >> 2) + 2] = 128;
}
