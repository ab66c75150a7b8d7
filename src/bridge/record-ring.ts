import { assert } from '../lib/assert.ts';
import { copyBytes } from '../lib/copy.ts';

/**
 * Records from one thread to one other, in order: single producer, single consumer, never blocking.
 *
 *   byte 0             128             256
 *   | head (consumer)  | tail (producer)| data: capacity bytes, a power of two …                          |
 *
 *   record, 8-byte aligned:  | u32 total bytes | u32 kind | u32 argument | u32 0 | payload … padding to 8 |
 *   total bytes 0xffffffff:  the rest up to the end is padding, so a payload is always contiguous
 *
 * Head and tail count bytes and wrap at 2^32. The tail is published after the record, the head after the reader is done.
 */
const HEAD = 0;
const TAIL = 32;
const DATA_BYTES = 256;
const RECORD_BYTES = 16;
const PADDING = -1;

export const recordRingBytes = (capacity: number): number => DATA_BYTES + capacity;

abstract class RecordRing {
  protected readonly words: Int32Array;
  readonly bytes: Uint8Array;
  protected readonly mask: number;

  constructor(
    shared: SharedArrayBuffer,
    offset: number,
    readonly capacity: number,
  ) {
    assert(capacity >= 1024 && (capacity & (capacity - 1)) === 0, 'capacity must be a power of two');
    assert(offset % 8 === 0);
    this.words = new Int32Array(shared, offset, recordRingBytes(capacity) >> 2);
    this.bytes = new Uint8Array(shared, offset + DATA_BYTES, capacity);
    this.mask = capacity - 1;
  }

  /** Largest payload that is sure to fit an empty ring, whatever the padding. */
  get payloadBytesMax(): number {
    return (this.capacity >> 1) - RECORD_BYTES;
  }

  /** Bytes written and not yet released; exact only in the producer's and the consumer's thread. */
  get usedBytes(): number {
    return (Atomics.load(this.words, TAIL) - Atomics.load(this.words, HEAD)) | 0;
  }
}

export class RecordWriter extends RecordRing {
  private headSeen = Atomics.load(this.words, HEAD);

  /** Copies the payload in. `false`: no room, nothing was written. */
  tryWrite(kind: number, argument: number, from: Uint8Array, offset: number, length: number): boolean {
    assert(length <= this.payloadBytesMax, 'record larger than half of the ring');
    const tail = Atomics.load(this.words, TAIL);
    const record = (RECORD_BYTES + length + 7) & ~7;
    let at = tail & this.mask;
    const toEnd = this.capacity - at;
    const claim = record <= toEnd ? record : record + toEnd;
    if (((tail + claim - this.headSeen) | 0) > this.capacity) {
      this.headSeen = Atomics.load(this.words, HEAD);
      if (((tail + claim - this.headSeen) | 0) > this.capacity) return false;
    }
    if (claim !== record) {
      this.words[(DATA_BYTES + at) >> 2] = PADDING;
      at = 0;
    }
    const word = (DATA_BYTES + at) >> 2;
    this.words[word] = RECORD_BYTES + length;
    this.words[word + 1] = kind;
    this.words[word + 2] = argument;
    copyBytes(from, offset, this.bytes, at + RECORD_BYTES, length);
    Atomics.store(this.words, TAIL, (tail + claim) | 0);
    return true;
  }
}

export class RecordReader extends RecordRing {
  /** Of the record in hand, valid after `peek()` gave true and until `release()`. The payload lies in `bytes`. */
  kind = 0;
  argument = 0;
  payloadOffset = 0;
  payloadLength = 0;
  private nextHead = 0;

  isEmpty(): boolean {
    return Atomics.load(this.words, TAIL) === Atomics.load(this.words, HEAD);
  }

  peek(): boolean {
    let head = Atomics.load(this.words, HEAD);
    if (head === Atomics.load(this.words, TAIL)) return false;
    if (this.words[(DATA_BYTES + (head & this.mask)) >> 2] === PADDING) {
      head = (head + this.capacity - (head & this.mask)) | 0;
    }
    const at = head & this.mask;
    const word = (DATA_BYTES + at) >> 2;
    const total = this.words[word]!;
    assert(total >= RECORD_BYTES && total <= this.capacity - at, 'record ring is corrupt');
    this.kind = this.words[word + 1]!;
    this.argument = this.words[word + 2]! >>> 0;
    this.payloadOffset = at + RECORD_BYTES;
    this.payloadLength = total - RECORD_BYTES;
    this.nextHead = (head + ((total + 7) & ~7)) | 0;
    return true;
  }

  release(): void {
    Atomics.store(this.words, HEAD, this.nextHead);
  }
}
