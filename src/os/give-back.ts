import { readFileSync } from 'node:fs';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bind, orErrno } from './libc.ts';

const madvise = bind<(address: number, bytes: number, advice: number) => number>('madvise', 'int', [
  'uintptr_t',
  'size_t',
  'int',
]);
const mallopt = bind<(parameter: number, value: number) => number>('mallopt', 'int', ['int', 'int']);
const mallocTrim = bind<(keepBytes: number) => number>('malloc_trim', 'int', ['size_t']);

const MADV_DONTNEED = 4;
/** As MADV_DONTNEED, on locked memory, too (Linux 5.18). */
const MADV_DONTNEED_LOCKED = 24;
const M_ARENA_MAX = -8;
/** What a collection of milliseconds is worth. */
const GROWTH_BYTES = 6 << 20;

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

let collect: (() => void) | null = null;

/** Collects this thread's heap, all of it. V8's collector is not had by an option at the start: flags are part of what a code cache is made for. */
export function collectHeap(): void {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void; // what the flag exposes
  }
  collect();
}

/**
 * This thread's heap, to be collected when the thread is quiet: V8 waits until it has grown by a multiple. A collection after a load leaves the young
 * generation the size that the load gave it, up to 32 MiB, because V8 looks at the last five seconds; a second one, after those, makes it small.
 */
export class GrownHeap {
  private keptBytes = 0;
  private unfinished = false;

  /** All of it, and what malloc keeps free. */
  collect(): void {
    collectHeap();
    trimMalloc();
    this.keptBytes = heapBytes();
  }

  /** The same if it has grown by some MiB since the last time: whether it had. Then ask again, six seconds later or more, unless there is a load. */
  collectIfGrown(): boolean {
    const second = this.unfinished;
    if (!second && heapBytes() < this.keptBytes + GROWTH_BYTES) return false;
    this.collect();
    this.unfinished = !second && unusedBytes() >= GROWTH_BYTES;
    return true;
  }
}

function heapBytes(): number {
  const { total_physical_size, external_memory } = getHeapStatistics();
  return total_physical_size + external_memory;
}

/** In memory, and nothing in it. */
function unusedBytes(): number {
  const { total_physical_size, used_heap_size } = getHeapStatistics();
  return total_physical_size - used_heap_size;
}

/** `start-end perms offset device inode path`, of a mapping that is only read, and the lines that follow it. */
const READ_ONLY_FILE = /^([0-9a-f]+)-([0-9a-f]+) r--p \S+ \S+ [1-9]\d* +(\/.*)\n(?:[A-Z][A-Za-z_]+:.*\n)+/gm;
/** The path of a file that is mapped to be run, too. */
const PROGRAM = /^\S+ r-xp \S+ \S+ [1-9]\d* +(\/.*)$/gm;
/** Nothing of it differs from the file, and nothing is locked. */
const UNCHANGED = /^Anonymous: +0 kB$/m;
const UNLOCKED = /^Locked: +0 kB$/m;

/** `/proc/self/smaps`; empty where there is none. */
export type ReadMappings = () => string;

interface Constants {
  readonly address: number;
  readonly bytes: number;
  readonly residentBytes: number;
}

/**
 * Lets go of pages of programs and libraries that are mapped to be read (constants, V8's snapshot, tables of symbols) and that nobody has changed:
 * what is used again comes back from the page cache. Their text is not among them (`lockProgramText`). Other files are left alone: they may be mapped
 * for a moment, as the list of libraries is while one is loaded, and what another thread has put in their place by now would be emptied. For the
 * same reason the list is read twice, and what is not as it was is left alone: a library that is being loaded, or was unloaded. Returns the bytes
 * that were in memory.
 */
export function giveBackConstants(read: ReadMappings = mappings): number {
  let given = 0;
  const before = constantsOf(read());
  for (const [mapping, { address, bytes, residentBytes }] of constantsOf(read())) {
    if (before.has(mapping) && orErrno(madvise(address, bytes, MADV_DONTNEED)) === 0) given += residentBytes;
  }
  return given;
}

/** By the line of the mapping: addresses, rights, place in the file, file. */
function constantsOf(list: string): Map<string, Constants> {
  const programs = new Set(Array.from(list.matchAll(PROGRAM), ([, path]) => path));
  const constants = new Map<string, Constants>();
  for (const [text, from = '', to = '', path] of list.matchAll(READ_ONLY_FILE)) {
    if (!programs.has(path) || !UNCHANGED.test(text) || !UNLOCKED.test(text)) continue;
    const address = Number.parseInt(from, 16);
    const residentBytes = 1024 * Number(/^Rss: +(\d+) kB$/m.exec(text)?.[1] ?? 0);
    constants.set(text.slice(0, text.indexOf('\n')), {
      address,
      bytes: Number.parseInt(to, 16) - address,
      residentBytes,
    });
  }
  return constants;
}

function mappings(): string {
  try {
    return readFileSync('/proc/self/smaps', 'latin1');
  } catch {
    return ''; // no /proc, or a process that may not be dumped and is not root's
  }
}
