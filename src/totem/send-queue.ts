import { assert } from '../lib/assert.ts';
import { PACKET_BYTES_MIN, TOTEM_LIMITS } from './limits.ts';

/** What one queue may hold, in packets of `mtu` bytes. */
const packetsOf = (mtu: number): number => Math.floor(TOTEM_LIMITS.sendQueueBytes / mtu);

/**
 * Packets that wait for the token (totem.md 2.2): a ring of slots of the frame pool. Stock's "full" leaves two slots
 * unused, `avail` counts without them. There is room for more than `capacity`: the packing buffer is flushed whatever
 * `avail` says when the queues switch, then one queue takes over what the other still holds (totem.md 5.5), and the
 * beginning of a message may be sent again (half-sent.ts).
 */
export class SendQueue {
  private readonly offsets: Int32Array;
  private readonly lengths: Int32Array;
  /** 1: the packet begins in the middle of a message, so it belongs directly behind the one before it. */
  private readonly continues: Uint8Array;
  private readonly sinceMs: Float64Array;
  private readonly slots: number;
  private first = 0;
  length = 0;
  /** Packets that it takes as long as they have the size that they have now. */
  capacity: number;

  /** `mtu` is M of totem.md 2.1. */
  constructor(
    mtu: number,
    /** One number, monotonic milliseconds: when the packet that is pushed got its first message. */
    private readonly fillingSinceMs: Float64Array = new Float64Array(1),
  ) {
    this.capacity = packetsOf(mtu);
    assert(this.capacity >= 8, 'a send queue needs room for a message');
    this.slots = 3 * packetsOf(Math.min(mtu, PACKET_BYTES_MIN)) + 8;
    this.offsets = new Int32Array(this.slots);
    this.lengths = new Int32Array(this.slots);
    this.continues = new Uint8Array(this.slots);
    this.sinceMs = new Float64Array(this.slots);
  }

  /** Packets are filled with up to `packetBytes` from now on: so many more go in. */
  sizeFor(packetBytes: number): void {
    this.capacity = packetsOf(packetBytes);
  }

  get avail(): number {
    return Math.max(0, this.capacity - this.length - 2);
  }

  /** Room whatever `avail` says. */
  get slotsFree(): number {
    return this.slots - this.length;
  }

  push(offset: number, length: number, continues: boolean): void {
    assert(this.length < this.slots, 'the send queue overflows');
    assert(offset >= 0 && length > 0, 'a packet has a slot and bytes');
    const at = (this.first + this.length) % this.slots;
    this.offsets[at] = offset;
    this.lengths[at] = length;
    this.continues[at] = continues ? 1 : 0;
    this.sinceMs[at] = this.fillingSinceMs[0]!;
    this.length++;
  }

  get headOffset(): number {
    assert(this.length > 0, 'an empty queue has no head');
    return this.offsets[this.first]!;
  }

  get headLength(): number {
    assert(this.length > 0, 'an empty queue has no head');
    return this.lengths[this.first]!;
  }

  /** Copies the moment, monotonic milliseconds, at which the first packet got its first message. */
  copyHeadSince(to: Float64Array, at: number): void {
    assert(this.length > 0, 'an empty queue has no head');
    to[at] = this.sinceMs[this.first]!;
  }

  shift(): void {
    assert(this.length > 0, 'nothing to remove');
    this.first = (this.first + 1) % this.slots;
    this.length--;
  }

  /** Whether the next packet goes on with a message whose beginning was sent already. */
  get headContinues(): boolean {
    return this.length > 0 && this.continues[this.first] === 1;
  }

  /**
   * Takes all packets of `from`, in front of its own, but behind those that finish a message already begun. What does not
   * fit at all stays where it is, as everything does in stock.
   */
  takeOver(from: SendQueue): void {
    if (this.length + from.length > this.slots - 4) return;
    let started = 0;
    while (started < this.length && this.continues[(this.first + started) % this.slots] === 1) started++;
    const behind = this.removeFrom(started);
    this.pushAll([...from.removeFrom(0), ...behind]);
  }

  pushFront(packets: readonly Packet[]): void {
    const behind = this.removeFrom(0);
    this.pushAll([...packets, ...behind]);
  }

  private pushAll(packets: readonly Packet[]): void {
    for (const { offset, length, continues, sinceMs } of packets) {
      const at = (this.first + this.length) % this.slots;
      this.push(offset, length, continues);
      if (sinceMs !== undefined) this.sinceMs[at] = sinceMs;
    }
  }

  offsetAt(index: number): number {
    assert(index < this.length, 'no such packet in the queue');
    return this.offsets[(this.first + index) % this.slots]!;
  }

  lengthAt(index: number): number {
    assert(index < this.length, 'no such packet in the queue');
    return this.lengths[(this.first + index) % this.slots]!;
  }

  /** Replaces packet `index`, which goes on with a message, by its end and by the rest, which begins anew. */
  split(index: number, end: Packet, rest: Packet): void {
    const behind = this.removeFrom(index + 1);
    this.removeFrom(index);
    this.pushAll([end, rest, ...behind]);
  }

  private removeFrom(index: number): readonly Packet[] {
    const removed: Packet[] = [];
    for (let i = index; i < this.length; i++) {
      const at = (this.first + i) % this.slots;
      removed.push({
        offset: this.offsets[at]!,
        length: this.lengths[at]!,
        continues: this.continues[at] === 1,
        sinceMs: this.sinceMs[at]!,
      });
    }
    this.length = index;
    return removed;
  }
}

export interface Packet {
  readonly offset: number;
  readonly length: number;
  readonly continues: boolean;
  /** When it got its first message; without it: now. */
  readonly sinceMs?: number;
}
