import { bind, orErrno } from './libc.ts';

const madvise = bind<(address: number, bytes: number, advice: number) => number>('madvise', 'int', [
  'uintptr_t',
  'size_t',
  'int',
]);
const mallopt = bind<(parameter: number, value: number) => number>('mallopt', 'int', ['int', 'int']);
const mallocTrim = bind<(keepBytes: number) => number>('malloc_trim', 'int', ['size_t']);

/** As MADV_DONTNEED, on locked memory, too (Linux 5.18). */
const MADV_DONTNEED_LOCKED = 24;
const M_ARENA_MAX = -8;

/**
 * Gives the memory behind a range of whole pages back to the system: its content is zeroes afterwards, its addresses stay.
 * Returns 0 or -errno; -EINVAL where the kernel is older than 5.18.
 */
export const giveBack = (address: number, bytes: number): number =>
  orErrno(madvise(address, bytes, MADV_DONTNEED_LOCKED));

/** How many arenas malloc makes from now on: by default eight a processor, each with its own rests. */
export function limitMallocArenas(count: number): void {
  mallopt(M_ARENA_MAX, count);
}

/** Gives what malloc keeps free back to the system. Takes milliseconds. */
export function trimMalloc(): void {
  mallocTrim(0);
}
