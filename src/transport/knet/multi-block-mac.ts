import { assert } from '../../lib/assert.ts';
import { Arena } from '../../os/arena.ts';
import type { MultiBlockKernels } from '../../os/openssl.ts';
import { DIGEST_STRIDE, LANES, type Lanes, type MacEngine, PointerWriter } from './crypto-engine.ts';

/** Initial states, FIPS 180-4. */
const SHA1_INIT = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
const SHA224_INIT = [0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939, 0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4];
const SHA256_INIT = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const HASHES = {
  sha1: { init: SHA1_INIT, digestBytes: 20 },
  sha224: { init: SHA224_INIT, digestBytes: 28 },
  sha256: { init: SHA256_INIT, digestBytes: 32 },
} as const;
export type MultiBlockHash = keyof typeof HASHES;

const BLOCK = 64;
/** Scratch: state word by word for eight lanes | descriptors of whole blocks | of tails | tails of two blocks each | key states. */
const STATE = 0;
const DESCRIPTORS = 256;
const TAIL_DESCRIPTORS = 384;
const TAILS = 512;
const TAIL_BYTES = 2 * BLOCK;
/** What the key has become: the states behind its inner and its outer block. Not on the heap, which moves and copies. */
const INNER = 2048;
const OUTER = 2112;
const SCRATCH_BYTES = 4096;

const swap = (x: number): number => (x >>> 24) | ((x >>> 8) & 0xff00) | ((x << 8) & 0xff0000) | (x << 24);

/**
 * HMAC of up to eight packets with three kernel calls: all whole blocks from the packets themselves, then the padded
 * tails, then the outer hash. The key enters as the two states behind its inner and outer block.
 */
export class MultiBlockMac implements MacEngine {
  readonly name = 'multi-block';
  readonly digestBytes: number;
  readonly digests = new Uint8Array(LANES * DIGEST_STRIDE);
  private readonly digestWords = new Uint32Array(this.digests.buffer);
  private readonly scratch = Arena.map(SCRATCH_BYTES);
  /** By slot of the kernel: the lane that it works for. */
  private readonly lanes = new Uint8Array(LANES);
  private readonly packetPointers: PointerWriter;
  /** The kernel over whole blocks, and over tails. The addresses are in the closures: no number object per call. */
  private readonly runWhole: (groups: number) => void;
  private readonly runTails: (groups: number) => void;
  private readonly stateWords: number;
  private readonly digestWordCount: number;
  private readonly inner: Uint32Array;
  private readonly outer: Uint32Array;
  private wiped = false;

  constructor(
    kernels: MultiBlockKernels,
    private readonly packets: Arena,
    hash: MultiBlockHash,
    /** Already shortened to at most one block (RFC 2104). */
    key: Uint8Array,
  ) {
    assert(key.length <= BLOCK, 'the caller hashes longer keys');
    const { init, digestBytes } = HASHES[hash];
    this.digestBytes = digestBytes;
    this.digestWordCount = digestBytes >> 2;
    this.stateWords = init.length;
    const run = hash === 'sha1' ? kernels.sha1 : kernels.sha256;
    const state = this.scratch.address + STATE;
    const descriptors = this.scratch.address + DESCRIPTORS;
    const tailDescriptors = this.scratch.address + TAIL_DESCRIPTORS;
    this.runWhole = (groups) => run(state, descriptors, groups);
    this.runTails = (groups) => run(state, tailDescriptors, groups);
    this.packetPointers = new PointerWriter(this.scratch.u32, packets.address);
    const tails = new PointerWriter(this.scratch.u32, this.scratch.address);
    for (let lane = 0; lane < LANES; lane++)
      tails.write((TAIL_DESCRIPTORS + lane * 16) >> 2, TAILS + lane * TAIL_BYTES);
    this.inner = this.keyState(init, key, 0x36, INNER);
    this.outer = this.keyState(init, key, 0x5c, OUTER);
  }

  private keyState(init: readonly number[], key: Uint8Array, pad: number, at: number): Uint32Array {
    const { scratch } = this;
    for (let i = 0; i < BLOCK; i++) scratch.u8[TAILS + i] = (key[i] ?? 0) ^ pad;
    this.setState(Uint32Array.from(init), 4);
    for (let lane = 0; lane < 4; lane++) scratch.u32[((TAIL_DESCRIPTORS + lane * 16) >> 2) + 2] = lane === 0 ? 1 : 0;
    this.runTails(1);
    scratch.u8.fill(0, TAILS, TAILS + BLOCK);
    const state = scratch.u32.subarray(at >> 2, (at >> 2) + this.stateWords);
    for (let word = 0; word < this.stateWords; word++) state[word] = scratch.u32[(STATE >> 2) + word * LANES]!;
    return state;
  }

  private setState(values: Uint32Array, lanes: number): void {
    const words = this.scratch.u32;
    for (let word = 0; word < this.stateWords; word++) {
      const value = values[word]!;
      for (let lane = 0; lane < lanes; lane++) words[(STATE >> 2) + word * LANES + lane] = value;
    }
  }

  compute(lanes: Lanes, count: number): void {
    const busy = this.order(lanes, count);
    if (busy === 0) return;
    const wide = busy > LANES / 2 ? LANES : LANES / 2;
    const groups = wide === LANES ? 2 : 1;
    this.setState(this.inner, wide);
    if (this.describe(lanes, busy, wide)) this.runWhole(groups);
    this.runTails(groups);
    this.outerTails(busy);
    this.runTails(groups);
    const words = this.scratch.u32;
    for (let slot = 0; slot < busy; slot++) {
      const out = (this.lanes[slot]! * DIGEST_STRIDE) >> 2;
      for (let word = 0; word < this.digestWordCount; word++) {
        this.digestWords[out + word] = swap(words[(STATE >> 2) + word * LANES + slot]!);
      }
    }
  }

  /**
   * Which lane goes into which slot of the kernel: those with whole blocks first, then short ones, idle ones not at all.
   * On CPUs with SHA instructions the kernel works in pairs and stops at the first pair without blocks.
   */
  private order(lanes: Lanes, count: number): number {
    let busy = 0;
    for (let lane = 0; lane < count; lane++) if (lanes.macBytes[lane]! >= BLOCK) this.lanes[busy++] = lane;
    for (let lane = 0; lane < count; lane++) {
      const bytes = lanes.macBytes[lane]!;
      if (bytes > 0 && bytes < BLOCK) this.lanes[busy++] = lane;
    }
    return busy;
  }

  /** Whole blocks from the packets, the rest and the padding from the tails. Returns whether there are whole blocks. */
  private describe(lanes: Lanes, busy: number, wide: number): boolean {
    const words = this.scratch.u32;
    let whole = false;
    for (let slot = 0; slot < wide; slot++) {
      const descriptor = (DESCRIPTORS + slot * 16) >> 2;
      const tail = ((TAIL_DESCRIPTORS + slot * 16) >> 2) + 2;
      if (slot >= busy) {
        words[descriptor + 2] = 0;
        words[tail] = 0;
        continue;
      }
      const bytes = lanes.macBytes[this.lanes[slot]!]!;
      const at = lanes.at[this.lanes[slot]!]!;
      const blocks = bytes >>> 6;
      words[descriptor + 2] = blocks;
      if (blocks > 0) {
        whole = true;
        this.packetPointers.write(descriptor, at);
      }
      words[tail] = this.fillTail(slot, at + (blocks << 6), bytes & 63, bytes);
    }
    return whole;
  }

  /** Rest of the data, 0x80, zeros, length in bits including the key block. Returns how many blocks that takes. */
  private fillTail(slot: number, at: number, rest: number, bytes: number): number {
    const { u8, u32 } = this.scratch;
    const tail = TAILS + slot * TAIL_BYTES;
    const blocks = rest < BLOCK - 8 ? 1 : 2;
    const end = tail + blocks * BLOCK;
    const packet = this.packets.u8;
    let to = tail;
    if (((at | rest) & 3) === 0) {
      const from = this.packets.u32;
      for (let word = 0; word < rest >> 2; word++) u32[(tail >> 2) + word] = from[(at >> 2) + word]!;
      to += rest;
    } else {
      for (let i = 0; i < rest; i++) u8[to++] = packet[at + i]!;
    }
    u8[to++] = 0x80;
    while ((to & 3) !== 0) u8[to++] = 0;
    for (; to < end - 4; to += 4) u32[to >> 2] = 0;
    u32[(end - 4) >> 2] = swap((bytes + BLOCK) * 8);
    return blocks;
  }

  private outerTails(busy: number): void {
    const words = this.scratch.u32;
    for (let slot = 0; slot < busy; slot++) {
      words[((TAIL_DESCRIPTORS + slot * 16) >> 2) + 2] = 1;
      const tail = (TAILS + slot * TAIL_BYTES) >> 2;
      for (let word = 0; word < this.digestWordCount; word++) {
        words[tail + word] = swap(words[(STATE >> 2) + word * LANES + slot]!);
      }
      words[tail + this.digestWordCount] = 0x80; // the byte 0x80, little-endian word
      for (let word = this.digestWordCount + 1; word < 15; word++) words[tail + word] = 0;
      words[tail + 15] = swap((BLOCK + this.digestBytes) * 8);
    }
    this.setState(this.outer, LANES);
  }

  wipe(): void {
    if (this.wiped) return;
    this.wiped = true;
    this.digests.fill(0);
    this.scratch.u8.fill(0);
    this.scratch.unmap();
  }
}
