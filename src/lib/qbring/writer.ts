import { assert } from '../assert.ts';
import {
  CHUNK_HEADER_BYTES,
  CHUNK_MARGIN_BYTES,
  chunkWords,
  Magic,
  type RingFault,
  type RingMemory,
} from './layout.ts';

/**
 * The writing side of a ring: claim, encode in place, commit; publish a batch.
 *
 *   const at = writer.claim(100);            // byte offset in `u8`, or -1: full now (or broken: see `fault`)
 *   u8.set(…, at); writer.commit();          // as many as fit; none is visible yet
 *   const n = writer.publish();              // all at once: indices, then the semaphore
 *   if (n > 0 && writer.readerSleeps()) futexWake(semaphoreAddress, n);
 *
 * Never blocks, allocates nothing. The reader is hostile: of what it can write, only `read_pt` and the semaphore are read, and only
 * their effect on the free space is used.
 */
export class RingWriter {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  /** Not null: the reader broke the ring; nothing can be claimed any more. */
  fault: RingFault | null = null;
  private readonly words: number;
  private readonly lengthMax: number;
  private readonly dataWord: number;
  private readonly writeIndex: number;
  private readonly readIndex: number;
  private readonly semaphoreIndex: number;
  private readonly waitersIndex: number;
  /** Own copy of write_pt; the shared one follows at `publish`. */
  private write: number;
  /** read_pt as last seen: the shared one is loaded only when this one leaves too little room. */
  private read: number;
  private committed = 0;
  private claimedBytes = -1;

  constructor(memory: RingMemory) {
    assert(memory.chunkBytesMax + CHUNK_MARGIN_BYTES <= memory.words * 4, 'the longest chunk fits an empty ring');
    this.u8 = memory.u8;
    this.i32 = memory.i32;
    this.words = memory.words;
    this.lengthMax = memory.chunkBytesMax;
    this.dataWord = memory.data >> 2;
    const header = memory.header >> 2;
    this.writeIndex = header + memory.layout.writeWord;
    this.readIndex = header + memory.layout.readWord;
    this.semaphoreIndex = header + memory.layout.semaphoreWord;
    this.waitersIndex = header + memory.layout.waitersWord;
    this.write = Atomics.load(this.i32, this.writeIndex);
    this.read = Atomics.load(this.i32, this.readIndex);
    if (this.write < 0 || this.write >= this.words || this.read < 0 || this.read >= this.words) {
      this.fault = 'badIndex';
      this.write = 0;
    }
  }

  /** Takes room for one chunk. The offset of its payload in `u8`, or -1. A chunk that can never fit is a bug of the caller. */
  claim(lengthBytes: number): number {
    assert(this.claimedBytes < 0, 'one claim at a time');
    assert(lengthBytes >= 0 && lengthBytes <= this.lengthMax, 'length of a chunk');
    if (!this.hasRoom(lengthBytes)) return -1;
    this.claimedBytes = lengthBytes;
    const at = this.dataWord + this.write;
    this.i32[at] = 0;
    this.i32[at + 1] = Magic.ALLOCATED;
    return (at << 2) + CHUNK_HEADER_BYTES;
  }

  /** Whether `claim` of that many bytes would succeed now. */
  hasRoom(lengthBytes: number): boolean {
    const needed = lengthBytes + CHUNK_MARGIN_BYTES;
    return this.fault === null && (this.free() >= needed || (this.refresh() && this.free() >= needed));
  }

  /** Ends the claim; the chunk becomes visible at the next `publish`. It may be shorter than claimed. */
  commit(lengthBytes: number = this.claimedBytes): void {
    assert(
      this.claimedBytes >= 0 && lengthBytes >= 0 && lengthBytes <= this.claimedBytes,
      'commit follows claim and does not grow',
    );
    const at = this.dataWord + this.write;
    this.i32[at] = lengthBytes;
    this.i32[at + 1] = Magic.COMMITTED;
    const next = this.write + chunkWords(lengthBytes);
    this.write = next >= this.words ? next - this.words : next;
    this.claimedBytes = -1;
    this.committed++;
  }

  /** Makes the committed chunks visible; returns how many. The atomic add orders them after everything written before. */
  publish(): number {
    const count = this.committed;
    if (count === 0) return 0;
    this.committed = 0;
    Atomics.store(this.i32, this.writeIndex, this.write);
    Atomics.add(this.i32, this.semaphoreIndex, count);
    return count;
  }

  /** Byte offset of the semaphore, for a futex. */
  get semaphoreAt(): number {
    return this.semaphoreIndex << 2;
  }

  /** After `publish`: the reader sleeps on the semaphore and needs a futex wake. */
  readerSleeps(): boolean {
    return Atomics.load(this.i32, this.waitersIndex) !== 0;
  }

  /** Chunks published and not yet taken by the reader, as the shared semaphore says. */
  queued(): number {
    return Atomics.load(this.i32, this.semaphoreIndex);
  }

  /** Copies a whole message in, and what belongs behind it. `false` when full. */
  tryWrite(message: Uint8Array, tail: Uint8Array | null = null): boolean {
    const at = this.claim(message.length + (tail?.length ?? 0));
    if (at < 0) return false;
    this.u8.set(message, at);
    if (tail !== null) this.u8.set(tail, at + message.length);
    this.commit();
    return true;
  }

  private free(): number {
    const distance = this.read - this.write;
    if (distance < 0) return (distance + this.words - 1) << 2;
    if (distance > 0) return (distance - 1) << 2;
    // Equal: empty. libqb tells it from full by the semaphore (2.4); a full ring cannot occur, a reader that lies can.
    return this.committed === 0 && Atomics.load(this.i32, this.semaphoreIndex) === 0 ? this.words << 2 : 0;
  }

  private refresh(): boolean {
    const read = Atomics.load(this.i32, this.readIndex);
    if (read < 0 || read >= this.words) {
      this.fault = 'badIndex';
      return false;
    }
    this.read = read;
    return true;
  }
}
