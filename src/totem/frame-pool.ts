import { assert } from '../lib/assert.ts';

/**
 * Slots for frames inside a region of the frame memory. The region is cut into pages; a page belongs to one size class
 * while any slot of it is in use. Nothing is allocated after construction, and memory that was never used is never
 * touched, so the region may be far larger than what a ring usually needs.
 *
 *   page (69 632 bytes):  1 × 69 632 | 2 × 34 816 | 4 × 17 408 | … | 128 × 544
 *
 * A frame may begin anywhere inside its slot: `free` finds the slot of any address in it. 69 632 bytes hold the
 * largest datagram (65 536) behind the room that packing keeps for the length table of a packet (packer.ts).
 */
export const FRAME_PAGE_BYTES = 69_632;
const CLASSES = 8;
const SMALLEST_BYTES = FRAME_PAGE_BYTES >> (CLASSES - 1);
const WORDS_PER_PAGE = 4;
const NONE = -1;

export class FramePool {
  readonly pages: number;
  private readonly end: number;
  /** Class of a page, or NONE while it is free. */
  private readonly classOf: Int8Array;
  private readonly used: Uint8Array;
  /** A bit per slot, set while in use. */
  private readonly bitmap: Uint32Array;
  /** Pages of a class that have both used and free slots: one doubly linked list per class. */
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly partial = new Int32Array(CLASSES).fill(NONE);
  private readonly freePages: Int32Array;
  private freePageCount = 0;
  /** So many at the bottom of the stack of free pages were never used, or not since `takeCold` returned them. */
  private clean: number;
  /** Fewest free pages since the last `takeCold`. */
  private fewestFree: number;

  constructor(
    private readonly start: number,
    bytes: number,
  ) {
    this.pages = Math.floor(bytes / FRAME_PAGE_BYTES);
    assert(this.pages >= 8, 'the frame region is too small');
    this.end = start + this.pages * FRAME_PAGE_BYTES;
    this.classOf = new Int8Array(this.pages).fill(NONE);
    this.used = new Uint8Array(this.pages);
    this.bitmap = new Uint32Array(this.pages * WORDS_PER_PAGE);
    this.next = new Int32Array(this.pages).fill(NONE);
    this.previous = new Int32Array(this.pages).fill(NONE);
    this.freePages = new Int32Array(this.pages);
    for (let page = this.pages - 1; page >= 0; page--) this.freePages[this.freePageCount++] = page;
    this.clean = this.freePageCount;
    this.fewestFree = this.freePageCount;
  }

  /**
   * Pages that were used once and stayed free since the last call: their memory can be given back. Free pages are taken from the top of
   * a stack, so what the load needs stays warm and what it does not need lies at the bottom.
   *
   * @param offsets gets where each page begins, as many as fit; the rest comes with the next call
   * @returns how many
   */
  takeCold(offsets: Int32Array): number {
    const first = this.clean;
    const count = Math.max(0, Math.min(offsets.length, this.fewestFree - first));
    for (let i = 0; i < count; i++) offsets[i] = this.start + this.freePages[first + i]! * FRAME_PAGE_BYTES;
    this.clean = first + count;
    this.fewestFree = this.freePageCount;
    return count;
  }

  /** Whether the offset lies in the region of this pool. */
  contains(offset: number): boolean {
    return offset >= this.start && offset < this.end;
  }

  get pagesFree(): number {
    return this.freePageCount;
  }

  /** Slots in use, counted page by page. */
  get slotsUsed(): number {
    return this.used.reduce((sum, used) => sum + used, 0);
  }

  /** Size of the slot that a request for `bytes` gets. */
  static slotBytes(bytes: number): number {
    return SMALLEST_BYTES << FramePool.classFor(bytes);
  }

  /** How many frames of `bytes` the whole pool can hold. */
  framesOf(bytes: number): number {
    return this.pages * ((1 << (CLASSES - 1)) >> FramePool.classFor(bytes));
  }

  /** Whether `count` slots of `bytes` can surely be had, with `pagesKept` pages left. */
  canServe(count: number, bytes: number, pagesKept: number): boolean {
    return this.freePageCount - pagesKept >= Math.ceil((count * FramePool.slotBytes(bytes)) / FRAME_PAGE_BYTES);
  }

  private static classFor(bytes: number): number {
    return 32 - Math.clz32(Math.trunc((bytes - 1) / SMALLEST_BYTES));
  }

  /** Offset of a slot of at least `bytes`, or -1. A new page is not begun when only `pagesKept` are free. */
  alloc(bytes: number, pagesKept = 0): number {
    assert(bytes > 0 && bytes <= FRAME_PAGE_BYTES, 'no slot is that large');
    const sizeClass = FramePool.classFor(bytes);
    let page = this.partial[sizeClass]!;
    if (page === NONE) {
      if (this.freePageCount <= pagesKept) return NONE;
      page = this.freePages[--this.freePageCount]!;
      if (this.freePageCount < this.fewestFree) this.fewestFree = this.freePageCount;
      if (this.freePageCount < this.clean) this.clean = this.freePageCount;
      this.classOf[page] = sizeClass;
      this.link(page, sizeClass);
    }
    const slots = (1 << (CLASSES - 1)) >> sizeClass;
    const slot = this.takeBit(page, slots);
    const used = this.used[page]! + 1;
    this.used[page] = used;
    if (used === slots) this.unlink(page, sizeClass);
    return this.start + page * FRAME_PAGE_BYTES + slot * (SMALLEST_BYTES << sizeClass);
  }

  /** `offset` may be any address inside the slot. */
  free(offset: number): void {
    assert(offset >= this.start && offset < this.end, 'not an address of this pool');
    const page = Math.trunc((offset - this.start) / FRAME_PAGE_BYTES);
    const sizeClass = this.classOf[page]!;
    assert(sizeClass !== NONE, 'freed twice');
    const slots = (1 << (CLASSES - 1)) >> sizeClass;
    const slot = Math.trunc((offset - this.start - page * FRAME_PAGE_BYTES) / (SMALLEST_BYTES << sizeClass));
    const word = page * WORDS_PER_PAGE + (slot >> 5);
    const bit = 1 << (slot & 31);
    assert((this.bitmap[word]! & bit) !== 0, 'freed twice');
    this.bitmap[word] = this.bitmap[word]! & ~bit;
    const used = this.used[page]! - 1;
    this.used[page] = used;
    if (used === slots - 1) this.link(page, sizeClass);
    if (used === 0) {
      this.unlink(page, sizeClass);
      this.classOf[page] = NONE;
      this.freePages[this.freePageCount++] = page;
    }
  }

  private takeBit(page: number, slots: number): number {
    const words = (slots + 31) >> 5;
    for (let i = 0; i < words; i++) {
      const word = page * WORDS_PER_PAGE + i;
      const free = ~this.bitmap[word]!;
      if (free === 0) continue;
      const bit = 31 - Math.clz32(free & -free);
      const slot = i * 32 + bit;
      if (slot >= slots) break;
      this.bitmap[word] = this.bitmap[word]! | (1 << bit);
      return slot;
    }
    throw new RangeError('a page of the partial list has no free slot');
  }

  private link(page: number, sizeClass: number): void {
    const head = this.partial[sizeClass]!;
    this.next[page] = head;
    this.previous[page] = NONE;
    if (head !== NONE) this.previous[head] = page;
    this.partial[sizeClass] = page;
  }

  private unlink(page: number, sizeClass: number): void {
    const next = this.next[page]!;
    const previous = this.previous[page]!;
    if (previous === NONE) this.partial[sizeClass] = next;
    else this.next[previous] = next;
    if (next !== NONE) this.previous[next] = previous;
    this.next[page] = NONE;
    this.previous[page] = NONE;
  }
}
