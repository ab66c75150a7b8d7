import { assert } from '../lib/assert.ts';
import { KNET_LIMITS } from './constants.ts';
import type { PacketBatch } from './crypto.ts';

/** Received packets on their way into the core; filled by the socket layer. */
export class RxBatch implements PacketBatch {
  readonly offset = new Int32Array(KNET_LIMITS.rxPacketsMax);
  readonly length = new Int32Array(KNET_LIMITS.rxPacketsMax);
  readonly plainOffset = new Int32Array(KNET_LIMITS.rxPacketsMax);
  readonly plainLength = new Int32Array(KNET_LIMITS.rxPacketsMax);
  /** Address id of the datagram's source (`AddressTable`), 0 for nobody's. */
  readonly source = new Int32Array(KNET_LIMITS.rxPacketsMax);
  /** Whatever the socket layer wants back with a drop. */
  readonly tag = new Int32Array(KNET_LIMITS.rxPacketsMax);
  count = 0;
  /** The first packet that has not been handled: the core may stop in the middle (see `Receiver.awaitKey`). */
  next = 0;

  get full(): boolean {
    return this.count >= KNET_LIMITS.rxPacketsMax;
  }

  add(offset: number, length: number, source: number, tag: number): void {
    assert(this.count < KNET_LIMITS.rxPacketsMax && length >= 0, 'a packet finds room');
    const at = this.count++;
    this.offset[at] = offset;
    this.length[at] = length;
    this.source[at] = source;
    this.tag[at] = tag;
  }

  clear(): void {
    assert(this.next <= this.count, 'no more is handled than was added');
    this.count = 0;
    this.next = 0;
  }
}
