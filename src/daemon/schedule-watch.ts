import type { LogFunction } from '../lib/log.ts';
import { type FlightLog, NO_FLIGHT_LOG, PAUSE_NOTICED_BY } from '../observe/flight/index.ts';
import { SCHEDMISS_STATS } from '../services/cmap/stats-keys.ts';
import type { StatsMap } from '../services/cmap/stats-map.ts';
import { ticks } from './ticks.ts';

/** A time in which this process did not get to run. */
interface ScheduleMiss {
  readonly timestampMs: number;
  readonly delayMs: number;
}

export const MISSES_KEPT = 10;
const MISS_SHARE_OF_TOKEN = 0.8;
const PERIODS_PER_TOKEN = 3;

/**
 * The pause detector (services.md 5.8): a timer of a third of the token timeout that comes 80 % of a token late was not
 * scheduled. Kept for `stats.schedmiss.`, the newest first, and logged with the text that monitoring looks for.
 */
export class ScheduleWatch {
  private misses: ScheduleMiss[] = [];
  /** Since the start, whatever is cleared. */
  readonly total = { count: 0, ms: 0 };
  private stopTicks: (() => void) | null = null;
  private lastMs = 0;
  private statistics: StatsMap | null = null;

  constructor(
    private readonly log: LogFunction,
    private readonly flight: FlightLog = NO_FLIGHT_LOG,
    private readonly clock: { nowMs(): number; wallMs(): number } = {
      nowMs: () => performance.now(),
      wallMs: Date.now,
    },
  ) {}

  start(tokenMs: number): void {
    this.stop();
    const thresholdMs = tokenMs * MISS_SHARE_OF_TOKEN;
    this.lastMs = this.clock.nowMs();
    this.stopTicks = ticks.every(Math.max(1, tokenMs / PERIODS_PER_TOKEN), () => this.tick(thresholdMs));
  }

  stop(): void {
    this.stopTicks?.();
    this.stopTicks = null;
  }

  /** One run of the timer; called by it, and by tests. */
  tick(thresholdMs: number): void {
    const nowMs = this.clock.nowMs();
    const delayMs = nowMs - this.lastMs;
    this.lastMs = nowMs;
    if (delayMs <= thresholdMs) return;
    this.flight.write('pause', { ms: delayMs, noticedBy: PAUSE_NOTICED_BY.indexOf('main thread'), thresholdMs });
    this.note(this.clock.wallMs(), delayMs, thresholdMs);
  }

  /** A pause of this thread, or one that the ring thread saw: stock has one thread for both. */
  note(timestampMs: number, delayMs: number, thresholdMs: number): void {
    this.total.count++;
    this.total.ms += delayMs;
    this.misses = [{ timestampMs, delayMs }, ...this.misses].slice(0, MISSES_KEPT);
    const last = this.misses.length - 1;
    this.statistics?.add({
      prefix: `${PREFIX}${last}.`,
      table: SCHEDMISS_STATS,
      silent: true,
      read: (name) => {
        const miss = this.misses[last];
        return name === 'timestamp' ? miss?.timestampMs : miss?.delayMs;
      },
    });
    this.log(
      'warning',
      'MAIN',
      `Corosync main process was not scheduled (@${timestampMs}) for ${delayMs.toFixed(4)} ms (threshold is ${thresholdMs.toFixed(4)} ms). Consider token timeout increase.`,
    );
  }

  /** The newest one that is kept. */
  get last(): ScheduleMiss | null {
    return this.misses[0] ?? null;
  }

  /** `stats.schedmiss.<n>.` in the map, as many as there are. */
  show(statistics: StatsMap): void {
    this.statistics = statistics;
    statistics.onClear((group) => {
      if (group !== 'schedmiss') return;
      for (const index of this.misses.keys()) statistics.remove(`${PREFIX}${index}.`);
      this.misses = [];
    });
  }
}

const PREFIX = 'stats.schedmiss.';
