import { assert } from '../lib/assert.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import { KNET_LIMITS } from './constants.ts';
import type { CryptoSuite, PacketBatch } from './crypto.ts';
import { type CryptoSizes, wireLength } from './mtu.ts';

/** What a run of packets is, for the statistics of a failed send. */
export const RunKind = { DATA: 0, PING: 1, PONG: 2, PMTU: 3 } as const;

const RUNS_MAX = 8_192;
const ALIGN = 4;

const WORDS = 3 * KNET_LIMITS.txPacketsMax + 4 * RUNS_MAX;

/**
 * The packets of a transmit queue and where they go, in memory that another thread may look at, once the queue was handed to it:
 *
 *   | offset | plain length | sealed length |      by packet          | link | first packet | packets | kind |      by run
 */
export class TxPackets {
  readonly offset: Int32Array;
  /** Length of what is sealed. */
  readonly plainLength: Int32Array;
  /** Length of the sealed packet. */
  readonly wireLength: Int32Array;
  readonly runLink: Int32Array;
  readonly runFirst: Int32Array;
  readonly runCount: Int32Array;
  readonly runKind: Int32Array;
  packetCount = 0;
  runs = 0;
  /** The packets as a suite seals them. */
  protected readonly plain: PacketBatch;

  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    let word = 0;
    const next = (words: number): Int32Array => {
      word += words;
      return new Int32Array(shared, (word - words) * Int32Array.BYTES_PER_ELEMENT, words);
    };
    this.offset = next(KNET_LIMITS.txPacketsMax);
    this.plainLength = next(KNET_LIMITS.txPacketsMax);
    this.wireLength = next(KNET_LIMITS.txPacketsMax);
    this.runLink = next(RUNS_MAX);
    this.runFirst = next(RUNS_MAX);
    this.runCount = next(RUNS_MAX);
    this.runKind = next(RUNS_MAX);
    const unused = new Int32Array(0);
    this.plain = { offset: this.offset, length: this.plainLength, plainOffset: unused, plainLength: unused };
  }

  /** Seals all of them. */
  seal(suite: CryptoSuite): void {
    suite.seal(this.plain, 0, this.packetCount);
  }
}

/**
 * Packets between "written" and "handed to the kernel". They lie one behind the other, so that equal ones can go out as
 * segments of one send (UDP GSO), and each is sealed once, whoever receives it (knet.md 2.1 step 10). What goes where is
 * a list of runs:
 *
 *   packets   | p0 | p1 | p2 | p3 | token | p4 …            runs   link 3: p0 … p3
 *                                                                  link 7: p0 … p3, token      (a run is prolonged
 *   in order of queueing for every link                            link 3: p4                   while it is contiguous)
 *
 * Packets with padding have lengths that are multiples of 4, so IVs are aligned; without it (counter mode, hash only) they may stand anywhere.
 */
export class TxQueue extends TxPackets {
  /** DATA packets in the queue, and what crypto adds to them: for the statistics. */
  dataPackets = 0;
  dataPlainBytes = 0;

  private position = 0;
  /** Per link: 1 + index of its last run, 0 when it has none. */
  private lastRun = new Int32Array(64);

  constructor(
    readonly memory: FrameMemory,
    private readonly base: number,
    private readonly size: number,
    shared?: SharedArrayBuffer,
  ) {
    super(shared);
    assert(base % ALIGN === 0 && base + size <= memory.bytes.length, 'the queue lies in the memory');
  }

  /** Links are numbered by the core; their number only grows. */
  reserveLinks(count: number): void {
    if (count <= this.lastRun.length) return;
    const larger = new Int32Array(count * 2);
    larger.set(this.lastRun);
    this.lastRun = larger;
  }

  fits(packets: number, plainBytesEach: number, sizes: CryptoSizes, links: number): boolean {
    return (
      this.packetCount + packets <= KNET_LIMITS.txPacketsMax &&
      this.position + packets * wireLength(sizes, plainBytesEach) + ALIGN <= this.size &&
      this.runs + links <= RUNS_MAX
    );
  }

  /** Opens room for one packet and returns where its plaintext goes. `fits` was asked before. */
  append(plainBytes: number, sizes: CryptoSizes): number {
    const index = this.packetCount++;
    assert(index < KNET_LIMITS.txPacketsMax, 'room was asked for');
    const wire = wireLength(sizes, plainBytes);
    const at = this.base + this.position;
    this.offset[index] = at;
    this.plainLength[index] = plainBytes;
    this.wireLength[index] = wire;
    this.position += wire;
    assert(this.position <= this.size, 'room was asked for');
    return at + sizes.saltBytes;
  }

  /** Sends the packets from `first` to the end over a link. */
  route(link: number, first: number, kind: number): void {
    const count = this.packetCount - first;
    assert(count > 0 && link < this.lastRun.length, 'packets that were appended, and a link that was reserved');
    const last = this.lastRun[link]! - 1;
    if (last >= 0 && this.runKind[last] === kind && this.runFirst[last]! + this.runCount[last]! === first) {
      this.runCount[last]! += count;
      return;
    }
    const run = this.runs++;
    assert(run < RUNS_MAX, 'room was asked for');
    this.runLink[run] = link;
    this.runFirst[run] = first;
    this.runCount[run] = count;
    this.runKind[run] = kind;
    this.lastRun[link] = run + 1;
  }

  get empty(): boolean {
    return this.runs === 0;
  }

  /** After the kernel has taken everything. */
  reset(): void {
    for (let run = 0; run < this.runs; run++) this.lastRun[this.runLink[run]!] = 0;
    this.runs = 0;
    this.packetCount = 0;
    this.position = 0;
    this.dataPackets = 0;
    this.dataPlainBytes = 0;
  }
}
