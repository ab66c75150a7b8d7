import { assert } from '../lib/assert.ts';
import type { FramePool } from './frame-pool.ts';
import { TOTEM_LIMITS } from './limits.ts';

const SLOTS = TOTEM_LIMITS.sortQueueSlots;
const MASK = SLOTS - 1;
const EMPTY = -1;
const STUB = -2;
const MISS_MAX = 0xffff;
const REPEATS_MAX = 0xff;

/**
 * Messages of one ring by sequence number (totem.md 4.1). The window begins at `head`; everything below was released.
 *
 *        released │ head                                   head + 16 384
 *   ──────────────┼──────────────────────────────────────────┤
 *                 │ seq & mask → offset, length, miss count
 */
export class SortQueue {
  head = 0;
  private readonly offsets = new Int32Array(SLOTS).fill(EMPTY);
  private readonly lengths = new Int32Array(SLOTS);
  private readonly misses = new Uint16Array(SLOTS);
  private readonly repeats = new Uint8Array(SLOTS);
  /** 1: the bytes belong to a slot of the other queue (the inner message of an encapsulated one). */
  private readonly borrowed = new Uint8Array(SLOTS);
  private count = 0;

  constructor(private readonly pool: FramePool) {}

  inRange(seq: number): boolean {
    return (seq - this.head) >>> 0 < SLOTS;
  }

  /** Only for a seq in range. */
  has(seq: number): boolean {
    return this.offsets[seq & MASK] !== EMPTY;
  }

  /** In range and present. */
  holds(seq: number): boolean {
    return this.inRange(seq) && this.has(seq);
  }

  /** Present, but its bytes lie elsewhere (recovery-index.ts). */
  isStub(seq: number): boolean {
    return this.offsets[seq & MASK] === STUB;
  }

  /** The queue frees what lies at `seq`. */
  owns(seq: number): boolean {
    return this.offsets[seq & MASK]! >= 0 && this.borrowed[seq & MASK] === 0;
  }

  offsetOf(seq: number): number {
    return this.offsets[seq & MASK]!;
  }

  lengthOf(seq: number): number {
    return this.lengths[seq & MASK]!;
  }

  /** Takes over the slot in which `offset` lies, unless `borrowed`. */
  add(seq: number, offset: number, length: number, borrowed = false): void {
    assert(this.inRange(seq), 'seq outside of the window');
    const slot = seq & MASK;
    assert(this.offsets[slot] === EMPTY, 'seq added twice');
    this.offsets[slot] = offset;
    this.lengths[slot] = length;
    this.misses[slot] = 0;
    this.repeats[slot] = 0;
    this.borrowed[slot] = borrowed ? 1 : 0;
    this.count++;
  }

  addStub(seq: number): void {
    this.add(seq, STUB, 0, true);
  }

  /** One more token visit without this message; returns how many there have been (totem.md 4.8 step 11). */
  countMiss(seq: number): number {
    const slot = seq & MASK;
    const misses = Math.min(this.misses[slot]! + 1, MISS_MAX);
    this.misses[slot] = misses;
    return misses;
  }

  /** The message is sent again, by this node or another; returns how often it was before. */
  countRepeat(seq: number): number {
    const slot = seq & MASK;
    const before = this.repeats[slot]!;
    this.repeats[slot] = Math.min(before + 1, REPEATS_MAX);
    return before;
  }

  remove(seq: number): void {
    const slot = seq & MASK;
    const offset = this.offsets[slot]!;
    this.misses[slot] = 0;
    if (offset === EMPTY) return;
    this.offsets[slot] = EMPTY;
    this.count--;
    if (this.borrowed[slot] === 0) this.pool.free(offset);
  }

  /** Removes everything up to `seq` and moves the head behind it. */
  releaseThrough(seq: number): void {
    const released = (seq - this.head + 1) >>> 0;
    if (released > SLOTS) return; // below the head: nothing is left of it
    for (let i = 0; i < released; i++) this.remove((this.head + i) >>> 0);
    this.head = (seq + 1) >>> 0;
  }

  /** As `releaseThrough`, but the slots go to `limbo`: this event may have handed them to the network. */
  moveThrough(seq: number, limbo: number[]): void {
    const moved = (seq - this.head + 1) >>> 0;
    if (moved > SLOTS) return;
    for (let i = 0; i < moved; i++) {
      const slot = (this.head + i) & MASK;
      const offset = this.offsets[slot]!;
      if (offset !== EMPTY && this.borrowed[slot] === 0) limbo.push(offset);
      if (offset !== EMPTY) this.count--;
      this.offsets[slot] = EMPTY;
      this.misses[slot] = 0;
    }
    this.head = (seq + 1) >>> 0;
  }

  /** Empties the queue; the window begins at 0 again, as at the start of every ring. */
  clear(): void {
    for (let slot = 0; slot < SLOTS && this.count > 0; slot++) this.remove(slot);
    this.misses.fill(0);
    this.head = 0;
  }

  get size(): number {
    return this.count;
  }
}
