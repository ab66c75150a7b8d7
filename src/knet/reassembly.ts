import { assert } from '../lib/assert.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import { KNET, KNET_LIMITS } from './constants.ts';
import { distanceBehind } from './sequence.ts';

export const ASSEMBLY_BUFFER_BYTES = KNET.messageBytesMax;
const BITMAP_WORDS = 8;

export const Fragment = {
  /** Stored, or a repetition of one that is there; the message is not complete. */
  TAKEN: 0,
  COMPLETE: 1,
  /** It contradicts the others, or the message would be too long. */
  BAD: 2,
} as const;
export type FragmentResult = (typeof Fragment)[keyof typeof Fragment];

/** One message on its way. All of them are made at the start; `owner` is null while it is free. */
export class AssemblyBuffer {
  owner: Reassembler | null = null;
  seq = 0;
  lastTouch = 0;
  fragNum = 0;
  received = 0;
  /** Length of every fragment but the last; 0 while only the last has arrived. */
  stride = 0;
  lastLength = 0;
  /** Print of the first fragment of a sealed message, 0 of one in clear. */
  firstPrint = 0;
  private readonly bitmap = new Uint32Array(BITMAP_WORDS);

  constructor(
    private readonly memory: FrameMemory,
    readonly offset: number,
  ) {}

  start(owner: Reassembler, seq: number, fragNum: number): void {
    this.owner = owner;
    this.seq = seq;
    this.fragNum = fragNum;
    this.received = 0;
    this.stride = 0;
    this.lastLength = 0;
    this.bitmap.fill(0);
  }

  /** Length of the message once it is complete. */
  get length(): number {
    return (this.fragNum - 1) * this.stride + this.lastLength;
  }

  add(fragNum: number, fragSeq: number, from: FrameMemory, at: number, length: number): FragmentResult {
    assert(fragSeq >= 1 && fragSeq <= fragNum && fragNum <= KNET.fragmentsMax, 'checked by the caller');
    if (fragNum !== this.fragNum || length === 0) return Fragment.BAD;
    const word = (fragSeq - 1) >>> 5;
    const bit = 1 << ((fragSeq - 1) & 31);
    if ((this.bitmap[word]! & bit) !== 0) return Fragment.TAKEN;
    const stored = fragSeq === fragNum ? this.addLast(from, at, length) : this.addInner(fragSeq, from, at, length);
    if (!stored) return Fragment.BAD;
    this.bitmap[word]! |= bit;
    this.received++;
    return this.received === this.fragNum ? Fragment.COMPLETE : Fragment.TAKEN;
  }

  private addInner(fragSeq: number, from: FrameMemory, at: number, length: number): boolean {
    if (this.stride === 0) {
      // The bound that CVE-2026-15813 was about: neither this nor any later fragment may lie outside of the buffer.
      if ((this.fragNum - 1) * length + Math.max(1, this.lastLength) > ASSEMBLY_BUFFER_BYTES) return false;
      if (this.lastLength > length) return false;
      this.stride = length;
      if (this.lastLength > 0) this.moveLast();
    } else if (length !== this.stride) {
      return false;
    }
    this.copy(from, at, length, this.offset + (fragSeq - 1) * this.stride);
    return true;
  }

  private addLast(from: FrameMemory, at: number, length: number): boolean {
    if (this.stride === 0) {
      // Its place is not known yet: it waits at the end of the buffer.
      if (length > ASSEMBLY_BUFFER_BYTES) return false;
      this.copy(from, at, length, this.offset + ASSEMBLY_BUFFER_BYTES - length);
    } else {
      if (length > this.stride || (this.fragNum - 1) * this.stride + length > ASSEMBLY_BUFFER_BYTES) return false;
      this.copy(from, at, length, this.offset + (this.fragNum - 1) * this.stride);
    }
    this.lastLength = length;
    return true;
  }

  private moveLast(): void {
    const source = this.offset + ASSEMBLY_BUFFER_BYTES - this.lastLength;
    const target = this.offset + (this.fragNum - 1) * this.stride;
    this.memory.bytes.copyWithin(target, source, source + this.lastLength);
  }

  private copy(from: FrameMemory, at: number, length: number, target: number): void {
    if (from.bytes === this.memory.bytes) this.memory.bytes.copyWithin(target, at, at + length);
    else this.memory.bytes.set(from.bytes.subarray(at, at + length), target);
  }
}

/**
 * The buffers of all hosts. There is no timeout, as in stock (knet.md 2.4): a buffer is taken from whoever touched his
 * longest ago when none is free. A host that holds more than its share loses its own first, so that one lossy or hostile
 * source cannot starve the others.
 */
export class AssemblyPool {
  readonly buffers: readonly AssemblyBuffer[];
  private readonly free: AssemblyBuffer[] = [];
  private touches = 0;
  private share: number;

  constructor(memory: FrameMemory, base: number, count: number) {
    assert(count >= 2, 'a pool of at least two buffers');
    assert(base + count * ASSEMBLY_BUFFER_BYTES <= memory.bytes.length, 'the buffers lie in the memory');
    const buffers: AssemblyBuffer[] = [];
    for (let i = 0; i < count; i++) buffers.push(new AssemblyBuffer(memory, base + i * ASSEMBLY_BUFFER_BYTES));
    this.buffers = buffers;
    for (const buffer of buffers) this.free.push(buffer);
    this.share = count;
  }

  static bytesFor(count: number): number {
    return count * ASSEMBLY_BUFFER_BYTES;
  }

  /** How many hosts share the pool. */
  setHostCount(hosts: number): void {
    this.share = Math.max(1, Math.floor(this.buffers.length / Math.max(1, hosts)));
  }

  touch(buffer: AssemblyBuffer): void {
    buffer.lastTouch = ++this.touches;
  }

  take(owner: Reassembler, seq: number, fragNum: number): AssemblyBuffer {
    let buffer: AssemblyBuffer | null = null;
    if (owner.held < KNET_LIMITS.buffersPerHostMax) buffer = this.free.pop() ?? null;
    if (buffer === null) {
      buffer = this.oldest(owner.held >= Math.min(this.share, KNET_LIMITS.buffersPerHostMax) ? owner : null);
      buffer.owner?.lost(buffer);
    }
    buffer.start(owner, seq, fragNum);
    return buffer;
  }

  give(buffer: AssemblyBuffer): void {
    assert(buffer.owner !== null, 'a buffer is given back once');
    buffer.owner = null;
    this.free.push(buffer);
  }

  private oldest(owner: Reassembler | null): AssemblyBuffer {
    let found: AssemblyBuffer | null = null;
    for (const buffer of this.buffers) {
      if (buffer.owner === null || (owner !== null && buffer.owner !== owner)) continue;
      if (found === null || buffer.lastTouch < found.lastTouch) found = buffer;
    }
    assert(found !== null, 'no buffer is free, so somebody holds one');
    return found;
  }
}

/** The unfinished messages of one source host. */
export class Reassembler {
  private readonly active: AssemblyBuffer[] = [];
  constructor(private readonly pool: AssemblyPool) {}

  get held(): number {
    return this.active.length;
  }

  find(seq: number): AssemblyBuffer | null {
    for (let i = this.active.length - 1; i >= 0; i--) {
      const buffer = this.active[i]!;
      if (buffer.seq === seq) {
        this.pool.touch(buffer);
        return buffer;
      }
    }
    return null;
  }

  start(seq: number, fragNum: number): AssemblyBuffer {
    const buffer = this.pool.take(this, seq, fragNum);
    this.active.push(buffer);
    this.pool.touch(buffer);
    return buffer;
  }

  finish(buffer: AssemblyBuffer): void {
    this.lost(buffer);
    this.pool.give(buffer);
  }

  /** Gives up messages too far behind the newest number: they will not complete any more (knet.md 2.4). */
  expire(newestSeq: number): void {
    for (let i = this.active.length - 1; i >= 0; i--) {
      const buffer = this.active[i]!;
      const behind = distanceBehind(newestSeq, buffer.seq);
      if (behind > KNET_LIMITS.reassemblySpan && behind < KNET_LIMITS.windowNumbers) this.finish(buffer);
    }
  }

  reset(): void {
    while (this.active.length > 0) this.finish(this.active[this.active.length - 1]!);
  }

  /** The pool took the buffer away. */
  lost(buffer: AssemblyBuffer): void {
    const at = this.active.indexOf(buffer);
    assert(at >= 0, 'the buffer belongs to this host');
    this.active[at] = this.active[this.active.length - 1]!;
    this.active.pop();
  }
}
