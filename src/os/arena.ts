import { assert } from '../lib/assert.ts';
import { check } from './errno.ts';
import { bind, bufferAt, orErrno } from './libc.ts';

const mmap = bind<
  (address: number, bytes: number, prot: number, flags: number, fd: number, at: number) => number | bigint
>('mmap', 'uintptr_t', ['uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t']);
const munmap = bind<(address: number, bytes: number) => number>('munmap', 'int', ['uintptr_t', 'size_t']);

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

export const PAGE_BYTES = 4096;
/** Offsets of an arena stay below 2^31, so that they are small integers everywhere. */
export const ARENA_BYTES_MAX = 2 ** 31 - PAGE_BYTES;

export const pageAlign = (bytes: number): number => Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;

/** mmap that returns an address, or -errno. */
function map(address: number, bytes: number, flags: number, fd: number): number {
  const result = mmap(address, bytes, PROT_READ_WRITE, flags, fd, 0);
  // MAP_FAILED is 2^64 - 1, the only result above 2^53, so koffi gives a BigInt for nothing else.
  return typeof result === 'bigint' ? orErrno(-1) : result;
}

/**
 * One range of address space with one set of views, from which everything that system calls or peers touch is carved.
 *
 *   0        bump allocations          mapFile()/mapFileTwice() put files into allocated ranges
 *   |--------|-----------|------------|==========|==========|-------------------------------| byteLength
 *
 * Memory is taken by touching it (MAP_NORESERVE), so an arena of 2 GiB costs nothing until used. Because every ring of every
 * client lies in the same view, copies between them are `u8.copyWithin`: no allocation, no subarray.
 * A range whose file is given up is mapped to zeroes again (`unmapFile`), never unmapped, so that no view can fault.
 * Several threads may look at one arena: pass `address` and `byteLength` to another thread and call `Arena.attach` there.
 */
export class Arena {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly data: DataView;
  /** Offset 0 is never given out: it means "none" where an offset is optional. */
  private used = 64;
  private open = true;

  private constructor(
    readonly address: number,
    readonly byteLength: number,
    private readonly owner: boolean,
    /** Where allocations end. */
    private readonly limit = byteLength,
  ) {
    const buffer = bufferAt(address, byteLength);
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.data = new DataView(buffer);
  }

  /** Reserves `bytes` of zeroed memory; this thread owns it. */
  static map(bytes: number): Arena {
    assert(bytes > 0 && bytes <= ARENA_BYTES_MAX, 'size of an arena');
    const length = pageAlign(bytes);
    return new Arena(check(map(0, length, ANONYMOUS, -1), `mmap of ${length} bytes`), length, true);
  }

  /**
   * Views of an arena that another thread of this process owns. Allocating stays the owner's business, but for a range that it has allocated for this
   * thread: `roomBytes` from `roomAt` on.
   */
  static attach(address: number, byteLength: number, roomAt = 0, roomBytes = 0): Arena {
    const arena = new Arena(address, byteLength, false, roomAt + roomBytes);
    arena.used = roomAt;
    return arena;
  }

  /** Takes a range for ever and returns its offset; throws when the arena is too small: sizes are decided at start. */
  allocate(bytes: number, alignBytes = 8): number {
    assert(this.owner || this.limit > 0, 'who does not own an arena allocates in the room that was given');
    const offset = Math.ceil(this.used / alignBytes) * alignBytes;
    assert(offset + bytes <= this.limit, `arena of ${this.byteLength} bytes is full: no room for ${bytes}`);
    this.used = offset + bytes;
    return offset;
  }

  get freeBytes(): number {
    return this.byteLength - this.used;
  }

  /** Puts `bytes` of the file `fd` over the range at `offset` (page aligned), shared. Returns 0 or -errno. */
  mapFile(offset: number, bytes: number, fd: number): number {
    assert(offset % PAGE_BYTES === 0 && offset + pageAlign(bytes) <= this.byteLength, 'range of a file mapping');
    const result = map(this.address + offset, bytes, MAP_SHARED | MAP_FIXED, fd);
    return Math.min(result, 0);
  }

  /** The same file twice, back to back: a chunk that crosses the end of a ring is contiguous (libqb-ipc.md 2.2). */
  mapFileTwice(offset: number, bytes: number, fd: number): number {
    assert(bytes % PAGE_BYTES === 0, 'a ring is whole pages');
    const first = this.mapFile(offset, bytes, fd);
    return first < 0 ? first : this.mapFile(offset + bytes, bytes, fd);
  }

  /** Gives a file mapping up: the range is zeroed private memory again and takes no room until touched. */
  unmapFile(offset: number, bytes: number): number {
    assert(offset % PAGE_BYTES === 0 && offset + pageAlign(bytes) <= this.byteLength, 'range of a file mapping');
    const result = map(this.address + offset, pageAlign(bytes), ANONYMOUS | MAP_FIXED, -1);
    return Math.min(result, 0);
  }

  /**
   * Gives the address space back. Every view of it, in every thread, faults from then on: only for tests and for threads that end
   * with their last user. Normally an arena lives as long as its process.
   */
  unmap(): void {
    assert(this.owner && this.open, 'an arena is unmapped once, by its owner');
    this.open = false;
    check(orErrno(munmap(this.address, this.byteLength)), 'munmap');
  }
}

/** Memory for the arguments of set-up calls, one per thread. Contents last until the next call of any binding. */
export const scratch: Arena = Arena.map(64 * 1024);
