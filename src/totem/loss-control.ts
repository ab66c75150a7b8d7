import { seqDistance } from '../lib/seq.ts';
import { Capability } from './capabilities.ts';
import { PACKET_BYTES_MIN } from './limits.ts';
import type { RingState } from './state.ts';

/** miss_count_const as it is when nobody sets it: only then a ring of this implementation may ask earlier. */
const MISS_COUNT_DEFAULT = 5;
/**
 * Token visits with a message missing before it is asked for, in such a ring: the second visit is that behind the rotation in which
 * everything up to the token's seq was sent (rule 4 of the accelerated ring).
 */
const QUICK_MISS_COUNT = 2;
/** Requests that are remembered, to see whether the message came twice: once late, once again. */
const REQUESTS_KEPT = 32;
/** So many of them in a row of rotations, and messages are late here rather than lost. */
const NEEDLESS_MAX = 8;
/** After so many visits without a needless request it is asked one visit earlier again. */
const CALM_VISITS = 4096;

/** Messages over which the loss is measured. */
const SAMPLE_MESSAGES = 64;
/** More than this share of the messages had to be sent again: packets become smaller; less than that: larger. */
const SHRINK_SHARE = 1 / 8;
const GROW_SHARE = 1 / 64;
/** Samples in a row that must be good before packets grow. */
const GOOD_SAMPLES = 8;
/**
 * In a ring of this implementation a visit may send so many times as many packets, as long as they are that much smaller than knet's, which
 * window_size and max_messages suit; not where somebody has set those.
 */
const WINDOW_SCALE_MAX = 4;
const WINDOW_SIZE_DEFAULT = 50;
const MAX_MESSAGES_DEFAULT = 17;
/** Bytes of a visit: several full packets of knet, and a part of a second-level cache. */
const VISIT_BYTES = 262_144;
/** What one packet carries over knet, about. */
const LARGE_PACKET_BYTES = 65_536;
const COPIES_MAX = 4;

/**
 * What the network does to the ring, and what follows from it (docs/totem-core.md, "Loss"). A message of knet's size travels in 46
 * datagrams, and is lost with each of them: where one datagram in a hundred is lost, more than every third message is, at each receiver.
 * So packets become smaller when many have to be sent again, and larger when few have.
 */
export class LossControl {
  /** Bytes of a packet to fill now; at most M. */
  packetBytes: number;
  /** Messages that were sent again, or will be, since the sample began, as far as this node saw it. */
  private repeated = 0;
  private messages = 0;
  private goodSamples = 0;
  /** The network carries so many times the window in small packets. */
  private carries = WINDOW_SCALE_MAX;
  private lastSeq = 0;
  private missCount = QUICK_MISS_COUNT;
  private needless = 0;
  private calmVisits = 0;
  private readonly requests = new Uint32Array(REQUESTS_KEPT);
  private requested = 0;

  constructor(private readonly mtu: number) {
    this.packetBytes = mtu;
  }

  startRing(): void {
    this.lastSeq = 0;
    this.requested = 0;
    this.messages = 0;
    this.repeated = 0;
  }

  /** A token visit: `seq` is the token's. */
  visit(seq: number): void {
    this.messages += Math.min(seqDistance(seq, this.lastSeq), SAMPLE_MESSAGES);
    this.lastSeq = seq;
    if (++this.calmVisits === CALM_VISITS) {
      this.calmVisits = 0;
      this.needless = 0;
      if (this.missCount > QUICK_MISS_COUNT) this.missCount--;
    }
    if (this.messages + this.repeated >= SAMPLE_MESSAGES) this.judge();
  }

  private judge(): void {
    const { messages, repeated } = this;
    this.messages = 0;
    this.repeated = 0;
    this.goodSamples = repeated <= messages * GROW_SHARE ? this.goodSamples + 1 : 0;
    if (repeated > messages * SHRINK_SHARE) this.adapt(-1);
    else if (this.goodSamples >= GOOD_SAMPLES) {
      this.goodSamples = 0;
      this.adapt(1);
    }
  }

  /** Packets, or where they are one datagram anyway the window, become half or twice as large. */
  private adapt(by: -1 | 1): void {
    const { mtu } = this;
    if (mtu < 2 * PACKET_BYTES_MIN) this.carries = Math.min(WINDOW_SCALE_MAX, Math.max(1, this.carries * 2 ** by));
    else this.packetBytes = Math.min(mtu, Math.max(PACKET_BYTES_MIN, Math.floor(this.packetBytes * 2 ** by)));
  }

  /** A message went out again, or came again. */
  noteRepeated(): void {
    this.repeated++;
  }

  /** This node asks for a message. */
  noteRequested(seq: number): void {
    this.repeated++;
    this.requests[this.requested++ % REQUESTS_KEPT] = seq;
  }

  /** A message came a second time: was it asked for in vain, because it was only late? */
  noteDuplicate(seq: number): void {
    this.repeated++;
    const kept = Math.min(this.requested, REQUESTS_KEPT);
    for (let i = 0; i < kept; i++) {
      if (this.requests[i] !== seq) continue;
      this.calmVisits = 0;
      if (++this.needless < NEEDLESS_MAX) return;
      this.needless = 0;
      if (this.missCount < MISS_COUNT_DEFAULT) this.missCount++;
      return;
    }
  }

  /** Token visits after which a missing message is asked for. */
  missCountFor(s: RingState): number {
    const configured = s.timings.missCountConst;
    return configured === MISS_COUNT_DEFAULT && isQuick(s) ? this.missCount : configured;
  }

  /** So many packets stay in a processor's caches from one copy to the next; where somebody has set max_messages, whatever that is. */
  cachedMessages({ timings }: RingState): number {
    return timings.maxMessages === MAX_MESSAGES_DEFAULT
      ? Math.ceil(VISIT_BYTES / this.packetBytes)
      : timings.maxMessages;
  }

  /** How many times window_size and max_messages this node may use: packets are smaller, and a round trip carries as many bytes. */
  windowScale(s: RingState): number {
    if (s.state !== 'operational' || !isQuick(s)) return 1;
    if (this.packetBytes < this.mtu) return Math.min(WINDOW_SCALE_MAX, Math.floor(this.mtu / this.packetBytes));
    const { windowSize, maxMessages } = s.timings;
    if (windowSize !== WINDOW_SIZE_DEFAULT || maxMessages !== MAX_MESSAGES_DEFAULT) return 1;
    return Math.min(this.carries, Math.max(1, Math.floor(LARGE_PACKET_BYTES / this.mtu)));
  }
}

const isQuick = (s: RingState): boolean => (s.capabilities & Capability.QUICK_RETRANSMISSION) !== 0;

/**
 * How many times each datagram of a message goes out that was sent again `before` times already: in vain, so it needs more luck than the
 * network has. A receiver that has one copy drops the others.
 */
export const copiesFor = (before: number): number => Math.min(1 + before, COPIES_MAX);
