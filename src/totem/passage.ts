import { DURATION_SLOTS, DurationCounts, Span } from '../lib/durations.ts';
import { TOTEM_LIMITS } from './limits.ts';
import type { SendQueue } from './send-queue.ts';

const SEQ_MASK = TOTEM_LIMITS.sortQueueSlots - 1;

/** Histograms of the ring, each `DURATION_SLOTS` numbers behind the other statistics. */
export const HISTOGRAMS = ['rotation', 'delivery'] as const;
export const HISTOGRAMS_SLOTS = HISTOGRAMS.length * DURATION_SLOTS;
/** Names of those numbers, in their order. */
export const HISTOGRAM_NAMES: readonly string[] = HISTOGRAMS.flatMap((name) =>
  Array.from({ length: DURATION_SLOTS }, (_, at) => `${name}.${at}`),
);

/**
 * How long tokens and messages take: the time from one visit of the token to the next one on the same ring, and that from the moment when
 * a packet got its first message until this node delivered it. Two stores a packet and a visit; no allocation.
 */
export class Passage {
  private readonly rotation: DurationCounts;
  private readonly delivery: DurationCounts;
  /** When the packet with a sequence number began to wait; 0: not one of ours, or delivered. */
  private readonly sinceMs = new Float64Array(TOTEM_LIMITS.sortQueueSlots);
  /** When the packet that is being filled got its first message. */
  readonly fillingSinceMs = new Float64Array(1);
  /** When the token was last here; 0: not on this ring. */
  private readonly lastVisitMs = new Float64Array(1);
  private readonly span = new Float64Array(2);

  constructor(values: Float64Array) {
    this.rotation = new DurationCounts(values.subarray(0, DURATION_SLOTS));
    this.delivery = new DurationCounts(values.subarray(DURATION_SLOTS, 2 * DURATION_SLOTS));
  }

  /** A new ring: what was sent on the old one is delivered or lost, and its token is gone. */
  startRing(): void {
    this.tokenGone();
    this.sinceMs.fill(0);
  }

  /** Another ring is being formed: its first token has no one before it. */
  tokenGone(): void {
    this.lastVisitMs[0] = 0;
  }

  /** A valid token came. */
  visit(clock: { readonly nowMs: number }): void {
    this.span[Span.FROM] = this.lastVisitMs[0]!;
    this.span[Span.TO] = clock.nowMs;
    if (this.lastVisitMs[0]! > 0) this.rotation.add(this.span);
    this.lastVisitMs[0] = clock.nowMs;
  }

  /** The first message goes into an empty packet. */
  fills(clock: { readonly nowMs: number }): void {
    this.fillingSinceMs[0] = clock.nowMs;
  }

  /** The first packet of the queue got a sequence number. */
  sent(seq: number, queue: SendQueue): void {
    queue.copyHeadSince(this.sinceMs, seq & SEQ_MASK);
  }

  /** A packet of this node was delivered to it. */
  delivered(seq: number, clock: { readonly nowMs: number }): void {
    const at = seq & SEQ_MASK;
    if (this.sinceMs[at] === 0) return;
    this.span[Span.FROM] = this.sinceMs[at]!;
    this.span[Span.TO] = clock.nowMs;
    this.sinceMs[at] = 0;
    this.delivery.add(this.span);
  }
}
