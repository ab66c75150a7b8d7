import { DROP_REASONS, type TotemDropReason } from './drop-reason.ts';
import { HISTOGRAMS_SLOTS } from './passage.ts';

/**
 * Statistics of totem.md 10 as plain numbers in one Float64Array, which another thread may read while the ring runs (the
 * caller passes one over shared memory). A value may be a moment old; it is never torn on the machines Node runs on.
 */
export const SRP_STATISTICS = [
  'orf_token_tx',
  'orf_token_rx',
  'memb_merge_detect_tx',
  'memb_merge_detect_rx',
  'memb_join_tx',
  'memb_join_rx',
  'mcast_tx',
  'mcast_retx',
  'mcast_rx',
  'memb_commit_token_tx',
  'memb_commit_token_rx',
  'token_hold_cancel_tx',
  'token_hold_cancel_rx',
  'operational_entered',
  'operational_token_lost',
  'gather_entered',
  'gather_token_lost',
  'commit_entered',
  'commit_token_lost',
  'recovery_entered',
  'recovery_token_lost',
  'consensus_timeouts',
  'rx_msg_dropped',
  'continuous_gather',
  'continuous_sendmsg_failures',
  'firewall_enabled_or_nic_failure',
  /** Monotonic ms of the last valid token; readers subtract it from now to get `time_since_token_last_received`. */
  'token_last_received_ms',
  'mtt_rx_token',
  'avg_token_workload',
  'avg_backlog_calc',
  /** `stats.pg`: packets reserved, base value 1, and free slots as of the last check. */
  'msg_reserved',
  'msg_queue_avail',
  /** Messages that followed the token (accelerated-release.ts). */
  'sent_behind_token',
] as const;
export type StatisticName = (typeof SRP_STATISTICS)[number];

/** Index of each statistic in the array. */
export const Stat = Object.fromEntries(SRP_STATISTICS.map((name, index) => [name, index])) as Readonly<
  Record<StatisticName, number>
>;

/** One counter per drop reason follows the named statistics, and the histograms follow those. */
const DROPS_AT = SRP_STATISTICS.length;
const HISTOGRAMS_AT = DROPS_AT + DROP_REASONS;
export const STATISTICS_SLOTS = HISTOGRAMS_AT + HISTOGRAMS_SLOTS;

export class Statistics {
  constructor(readonly values: Float64Array = new Float64Array(STATISTICS_SLOTS)) {}

  add(slot: number): void {
    this.values[slot] = this.values[slot]! + 1;
  }

  set(slot: number, value: number): void {
    this.values[slot] = value;
  }

  get(slot: number): number {
    return this.values[slot]!;
  }

  drop(reason: TotemDropReason): TotemDropReason {
    this.add(DROPS_AT + reason);
    return reason;
  }

  drops(reason: TotemDropReason): number {
    return this.values[DROPS_AT + reason]!;
  }

  /** The numbers of the histograms. */
  get histograms(): Float64Array {
    return this.values.subarray(HISTOGRAMS_AT, STATISTICS_SLOTS);
  }

  /** Clearing zeroes the counters; the reservation is not a counter. */
  clear(): void {
    const reserved = this.values[Stat.msg_reserved]!;
    this.values.fill(0);
    this.values[Stat.msg_reserved] = reserved;
  }
}

const SAMPLES = 100;

export interface TokenVisit {
  readonly tokenArrivedMs: number;
  readonly nowMs: number;
  readonly flow: { readonly cbl: number };
}

/** Ring of the last token visits, from which the averages of totem.md 10 are made. */
export class TokenSamples {
  private readonly rxMs = new Float64Array(SAMPLES);
  private readonly txMs = new Float64Array(SAMPLES);
  private readonly backlog = new Float64Array(SAMPLES);
  private next = 0;
  private count = 0;

  /** An object, not three numbers: a fraction that is handed to a function becomes garbage. */
  add(visit: TokenVisit): void {
    this.rxMs[this.next] = visit.tokenArrivedMs;
    this.txMs[this.next] = visit.nowMs;
    this.backlog[this.next] = visit.flow.cbl;
    this.next = (this.next + 1) % SAMPLES;
    if (this.count < SAMPLES) this.count++;
  }

  /** Writes the three means. */
  summarize(statistics: Statistics): void {
    if (this.count === 0) return;
    let workload = 0;
    let backlog = 0;
    for (let i = 0; i < this.count; i++) {
      workload += this.txMs[i]! - this.rxMs[i]!;
      backlog += this.backlog[i]!;
    }
    const oldest = this.count < SAMPLES ? 0 : this.next;
    const newest = (this.next + SAMPLES - 1) % SAMPLES;
    const span = this.rxMs[newest]! - this.rxMs[oldest]!;
    statistics.set(Stat.mtt_rx_token, this.count > 1 ? Math.trunc(span / (this.count - 1)) : 0);
    statistics.set(Stat.avg_token_workload, Math.trunc(workload / this.count));
    statistics.set(Stat.avg_backlog_calc, Math.trunc(backlog / this.count));
  }
}
