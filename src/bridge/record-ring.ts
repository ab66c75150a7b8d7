import { assert } from '../lib/assert.ts';
import { copyBytes } from '../lib/copy.ts';
import type { RingMemory } from '../lib/qbring/layout.ts';
import { Peek, RingReader } from '../lib/qbring/reader.ts';
import { threadRingBytes, threadRingMemory } from '../lib/qbring/setup.ts';
import { RingWriter } from '../lib/qbring/writer.ts';
import { RECORD_HEADER_BYTES } from './messages.ts';

/**
 * Records from one thread to one other, in order: the chunk ring of this project (lib/qbring) between threads.
 *
 *   chunk:  | u32 kind | u32 argument | payload … |        always contiguous
 *
 * `capacity` in bytes; the longest payload is half of it, whatever lies in the ring. The other side is our own code, so a broken ring
 * is a bug here.
 */
const longestBytes = (capacity: number): number => capacity >> 1;

export const recordRingBytes = (capacity: number): number =>
  Math.ceil(threadRingBytes(capacity >> 2, longestBytes(capacity)) / 128) * 128;

/** Lays the ring out at `offset` of the shared memory. `fresh` once, before anybody uses it. */
export function recordRingMemory(
  shared: SharedArrayBuffer,
  offset: number,
  capacity: number,
  fresh: boolean,
): RingMemory {
  const [u8, i32] = [new Uint8Array(shared), new Int32Array(shared)];
  return threadRingMemory(u8, i32, offset, capacity >> 2, longestBytes(capacity), fresh);
}

export class RecordWriter {
  /** Longest payload. */
  readonly payloadBytesMax: number;
  private readonly ring: RingWriter;

  constructor(memory: RingMemory) {
    this.ring = new RingWriter(memory);
    this.payloadBytesMax = memory.chunkBytesMax - RECORD_HEADER_BYTES;
  }

  /** Copies the payload in; it is seen at once. `false`: no room, nothing was written. */
  tryWrite(kind: number, argument: number, from: Uint8Array, offset: number, length: number): boolean {
    if (!this.tryAppend(kind, argument, from, offset, length)) return false;
    this.ring.publish();
    return true;
  }

  /** The same, but seen at the next `publish` or `tryWrite` only, together with what was appended before. */
  tryAppend(kind: number, argument: number, from: Uint8Array, offset: number, length: number): boolean {
    assert(length <= this.payloadBytesMax, 'record longer than the ring takes');
    assert(
      kind > 0 && offset >= 0 && offset + length <= from.length,
      'a record is of a kind and of bytes that are there',
    );
    const { ring } = this;
    const at = ring.claim(RECORD_HEADER_BYTES + length);
    if (at < 0) {
      assert(ring.fault === null, 'the ring between the threads is broken');
      return false;
    }
    ring.i32[at >> 2] = kind;
    ring.i32[(at >> 2) + 1] = argument;
    copyBytes(from, offset, ring.u8, at + RECORD_HEADER_BYTES, length);
    ring.commit();
    return true;
  }

  /** Shows the reader what was appended. Returns whether there was anything. */
  publish(): boolean {
    return this.ring.publish() > 0;
  }
}

export class RecordReader {
  /** Of the record in hand, valid after `peek()` gave true and until `release()`. The payload lies in `bytes`. */
  kind = 0;
  argument = 0;
  payloadOffset = 0;
  payloadLength = 0;
  private readonly ring: RingReader;

  constructor(memory: RingMemory) {
    this.ring = new RingReader(memory);
  }

  get bytes(): Uint8Array {
    return this.ring.u8;
  }

  isEmpty(): boolean {
    return this.ring.available() === 0;
  }

  peek(): boolean {
    const { ring } = this;
    const found = ring.peek();
    if (found === Peek.EMPTY) return false;
    assert(found === Peek.CHUNK && ring.length >= RECORD_HEADER_BYTES, 'the ring between the threads is broken');
    this.kind = ring.i32[ring.offset >> 2]!;
    assert(this.kind > 0, 'the ring between the threads is broken'); // the pair of tryAppend's
    this.argument = ring.i32[(ring.offset >> 2) + 1]! >>> 0;
    this.payloadOffset = ring.offset + RECORD_HEADER_BYTES;
    this.payloadLength = ring.length - RECORD_HEADER_BYTES;
    return true;
  }

  release(): void {
    this.ring.reclaim();
    this.ring.release();
  }
}
