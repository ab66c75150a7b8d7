import { DROPS_PREFIX } from '../lib/drop-key.ts';
import type { FlightLog } from '../observe/flight/index.ts';
import type { LogLosses } from '../observe/log/index.ts';
import type { RingCounters } from './stats.ts';
import { ticks } from './ticks.ts';

const PERIOD_MS = 1000;
/** Reasons that one record names. */
const REASONS_MAX = 6;
const RESENT = 'srp.mcast_retx';
const REQUESTED = 'rondo.totem.requested';

export interface FlightSecondsPorts {
  readonly flight: FlightLog;
  readonly counters: Pick<RingCounters, 'namesBelow' | 'raw'>;
  /** Log lines that were lost so far, by destination. */
  lostLines(): LogLosses;
}

/** What counters say, as a record a second: retransmissions, drops by reason, lost log lines. The ring thread only counts. */
export class FlightSeconds {
  private readonly before = new Map<string, number>();
  private stopTicks: (() => void) | null = null;

  constructor(private readonly ports: FlightSecondsPorts) {}

  start(): void {
    this.stopTicks = ticks.every(PERIOD_MS, () => this.tick());
  }

  stop(): void {
    this.stopTicks?.();
  }

  /** A second has passed; called by the timer, and by tests. */
  tick(): void {
    const { flight, counters, lostLines } = this.ports;
    const resent = this.grown(RESENT, counters.raw(RESENT) ?? 0);
    const requested = this.grown(REQUESTED, counters.raw(REQUESTED) ?? 0);
    if (resent + requested > 0) flight.write('retransmissions', { resent, requested });
    const drops: { readonly name: string; readonly count: number }[] = [];
    for (const key of counters.namesBelow(DROPS_PREFIX)) {
      const count = this.grown(key, counters.raw(key) ?? 0);
      if (count > 0) drops.push({ name: key.slice(DROPS_PREFIX.length), count });
    }
    if (drops.length > 0) {
      drops.sort((a, b) => b.count - a.count);
      const reasons = drops.slice(0, REASONS_MAX).map(({ name, count }) => `${name}=${count}`);
      flight.write('drops', { total: drops.reduce((sum, { count }) => sum + count, 0), reasons: reasons.join(' ') });
    }
    for (const [destination, total] of Object.entries(lostLines())) {
      const lines = this.grown(`log ${destination}`, total);
      if (lines > 0) flight.write('logLost', { lines, destination });
    }
  }

  private grown(name: string, now: number): number {
    const before = this.before.get(name) ?? 0;
    this.before.set(name, now);
    return Math.max(0, now - before);
  }
}
