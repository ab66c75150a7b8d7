import { assert } from '../lib/assert.ts';

/**
 * Packets that wait for the token (totem.md 2.2): a ring of slots of the frame pool. Stock's "full" leaves two slots
 * unused, `avail` counts without them; the packing buffer is flushed into that reserve when the queues switch (5.5).
 */
const SPARE_SLOTS = 4;

export class SendQueue {
  private readonly offsets: Int32Array;
  private readonly lengths: Int32Array;
  private readonly continues: Uint8Array;
  private readonly slots: number;
  private first = 0;
  length = 0;

  constructor(readonly capacity: number) {
    assert(capacity >= 8, 'a send queue needs room for a message');
    this.slots = capacity + SPARE_SLOTS;
    this.offsets = new Int32Array(this.slots);
    this.lengths = new Int32Array(this.slots);
    this.continues = new Uint8Array(this.slots);
  }

  get avail(): number {
    return Math.max(0, this.capacity - this.length - 2);
  }

  push(offset: number, length: number, continues: boolean): void {
    assert(this.length < this.slots, 'the send queue overflows');
    const at = (this.first + this.length) % this.slots;
    this.offsets[at] = offset;
    this.lengths[at] = length;
    this.continues[at] = continues ? 1 : 0;
    this.length++;
  }

  get headOffset(): number {
    return this.offsets[this.first]!;
  }

  get headLength(): number {
    return this.lengths[this.first]!;
  }

  /** Whether the next packet begins in the middle of a message, whose head was sent before. */
  get headContinues(): boolean {
    return this.length > 0 && this.continues[this.first] === 1;
  }

  shift(): void {
    assert(this.length > 0, 'nothing to remove');
    this.first = (this.first + 1) % this.slots;
    this.length--;
  }
}
