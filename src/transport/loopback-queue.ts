import { assert } from '../lib/assert.ts';
import type { Arena } from '../os/arena.ts';
import { countOne, type StatCounter } from './transport.ts';

/**
 * Frames to oneself: the own JOINs and hold cancels, and the token in a ring of one. They come back as input in a later turn of the
 * loop, never inside the send call (totem.md 6.1), and without a system call.
 *
 *   | u32 length | frame, padded to 4 | …            a ring of bytes; a frame never wraps: a length of 0 says "go on at the start"
 */
const CAPACITY_BYTES = 1 << 18;
const LENGTH_BYTES = 4;

export class LoopbackQueue {
  private readonly base: number;
  private head = 0;
  private tail = 0;
  /** Frames waiting. */
  length = 0;
  /** Of the frame that `peek` showed. */
  offset = 0;
  bytes = 0;

  constructor(
    private readonly arena: Arena,
    /** Counts frames that found the queue full; the protocol recovers from it as from a lost datagram. */
    private readonly full: StatCounter,
  ) {
    this.base = arena.allocate(CAPACITY_BYTES, 64);
  }

  push(offset: number, length: number): void {
    const record = LENGTH_BYTES + ((length + 3) & ~3);
    assert(length > 0 && record < CAPACITY_BYTES / 4, 'frame too large for the loopback queue');
    // Keep a gap: head === tail means empty.
    if (this.tail >= this.head && this.tail + record + LENGTH_BYTES > CAPACITY_BYTES) {
      if (record >= this.head) {
        this.countDropped();
        return;
      }
      this.arena.u32[(this.base + this.tail) >> 2] = 0;
      this.tail = 0;
    }
    if (this.tail < this.head && this.tail + record >= this.head) {
      this.countDropped();
      return;
    }
    this.arena.u32[(this.base + this.tail) >> 2] = length;
    this.arena.u8.copyWithin(this.base + this.tail + LENGTH_BYTES, offset, offset + length);
    this.tail += record;
    this.length++;
  }

  private countDropped(): void {
    countOne(this.full);
  }

  /** Shows the oldest frame, which stays in the queue until `release`. */
  peek(): boolean {
    if (this.length === 0) return false;
    let length = this.arena.u32[(this.base + this.head) >> 2]!;
    if (length === 0) {
      this.head = 0;
      length = this.arena.u32[this.base >> 2]!;
    }
    assert(length > 0 && length < CAPACITY_BYTES / 4, 'a frame that was pushed'); // the pair of push
    this.offset = this.base + this.head + LENGTH_BYTES;
    this.bytes = length;
    return true;
  }

  release(): void {
    if (this.length === 0) return; // cleared while the frame was handled
    this.head += LENGTH_BYTES + ((this.bytes + 3) & ~3);
    this.length--;
  }

  /** Empties the queue, also while a frame is in hand; returns how many there were. */
  clear(): number {
    const { length } = this;
    this.head = 0;
    this.tail = 0;
    this.length = 0;
    return length;
  }
}
