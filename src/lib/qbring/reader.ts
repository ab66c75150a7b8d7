import { assert } from '../assert.ts';
import { CHUNK_HEADER_BYTES, chunkWords, Magic, type RingFault, type RingMemory } from './layout.ts';

/** What `peek` found. */
export const Peek = { EMPTY: 0, CHUNK: 1, FAULT: -1 } as const;
export type PeekResult = (typeof Peek)[keyof typeof Peek];

/**
 * The reading side of a ring: peek, read in place, reclaim; release a batch.
 *
 *   while (reader.peek() === Peek.CHUNK) {
 *     use(u8, reader.offset, reader.length);   // valid until reclaim
 *     reader.reclaim();                        // private; the writer sees it at release
 *   }
 *   reader.release();                          // semaphore, then read_pt
 *
 * Never blocks, allocates nothing. The writer is hostile: its `write_pt` is not used at all, the position is this object's own, magic
 * and length are checked, and the length is read once. **The payload can still change while it is read**: read each field once.
 */
export class RingReader {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  /** Byte offset in `u8` of the payload of the chunk in hand. */
  offset = 0;
  /** Length of the chunk in hand, -1 if there is none. */
  length = -1;
  /** Not null: the writer broke the ring; nothing can be read any more. */
  fault: RingFault | null = null;
  private readonly words: number;
  private readonly lengthMax: number;
  private readonly dataWord: number;
  private readonly readIndex: number;
  private readonly semaphoreIndex: number;
  private read: number;
  /** Chunks that the semaphore vouched for and that are not reclaimed yet. */
  private credit = 0;
  /** Chunks reclaimed since the last release. */
  private reclaimed = 0;

  constructor(memory: RingMemory) {
    this.u8 = memory.u8;
    this.i32 = memory.i32;
    this.words = memory.words;
    this.lengthMax = memory.chunkBytesMax;
    this.dataWord = memory.data >> 2;
    const header = memory.header >> 2;
    this.readIndex = header + memory.layout.readWord;
    this.semaphoreIndex = header + memory.layout.semaphoreWord;
    this.read = Atomics.load(this.i32, this.readIndex);
    if (this.read < 0 || this.read >= this.words) {
      this.fault = 'badIndex';
      this.read = 0;
    }
  }

  /** Looks at the next chunk: `offset` and `length` then describe it. Again until `reclaim`, the same chunk. */
  peek(): PeekResult {
    if (this.length >= 0) return Peek.CHUNK;
    if (this.fault !== null) return Peek.FAULT;
    if (this.credit === 0 && this.available() === 0) return this.fault === null ? Peek.EMPTY : Peek.FAULT;
    const at = this.dataWord + this.read;
    if (this.i32[at + 1] !== Magic.COMMITTED) return this.fail('badMagic');
    const length = this.i32[at]!;
    if (length < 0 || length > this.lengthMax) return this.fail('badLength');
    this.length = length;
    this.offset = (at << 2) + CHUNK_HEADER_BYTES;
    return Peek.CHUNK;
  }

  /** Chunks that can be read now, the one in hand included; by the semaphore, because indices run ahead of chunks (libqb-ipc.md trap 13). */
  available(): number {
    if (this.fault !== null) return 0;
    const value = Atomics.load(this.i32, this.semaphoreIndex);
    if (value < this.reclaimed || value > this.words) {
      this.fail('badSemaphore');
      return 0;
    }
    this.credit = value - this.reclaimed;
    return this.credit;
  }

  /** Ends the chunk in hand: marks it consumed and moves on. */
  reclaim(): void {
    assert(this.length >= 0, 'reclaim follows peek');
    const at = this.dataWord + this.read;
    this.i32[at] = 0;
    this.i32[at + 1] = Magic.CONSUMED;
    const next = this.read + chunkWords(this.length);
    this.read = next >= this.words ? next - this.words : next;
    this.length = -1;
    this.credit--;
    this.reclaimed++;
  }

  /** Gives the room of the reclaimed chunks to the writer; returns how many. Takes the semaphore down first, as libqb does. */
  release(): number {
    const count = this.reclaimed;
    if (count === 0) return 0;
    this.reclaimed = 0;
    const before = Atomics.sub(this.i32, this.semaphoreIndex, count);
    if (before < count) this.fail('badSemaphore');
    Atomics.store(this.i32, this.readIndex, this.read);
    return count;
  }

  private fail(fault: RingFault): typeof Peek.FAULT {
    this.fault ??= fault;
    this.length = -1;
    this.credit = 0;
    return Peek.FAULT;
  }
}
