import type { LogFunction } from '../lib/log.ts';
import { SCHEDMISS_STATS, tableSource } from '../services/cmap/stats-keys.ts';
import type { StatsSource } from '../services/cmap/stats-map.ts';

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
  private timer: NodeJS.Timeout | null = null;
  private lastMs = 0;

  constructor(
    private readonly log: LogFunction,
    private readonly clock: { nowMs(): number; wallMs(): number } = {
      nowMs: () => performance.now(),
      wallMs: Date.now,
    },
  ) {}

  start(tokenMs: number): void {
    this.stop();
    const thresholdMs = tokenMs * MISS_SHARE_OF_TOKEN;
    this.lastMs = this.clock.nowMs();
    this.timer = setInterval(() => this.tick(thresholdMs), Math.max(1, tokenMs / PERIODS_PER_TOKEN));
    this.timer.unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** One run of the timer; called by it, and by tests. */
  tick(thresholdMs: number): void {
    const nowMs = this.clock.nowMs();
    const delayMs = nowMs - this.lastMs;
    this.lastMs = nowMs;
    if (delayMs > thresholdMs) this.note(this.clock.wallMs(), delayMs, thresholdMs);
  }

  /** A pause of this thread, or one that the ring thread saw: stock has one thread for both. */
  note(timestampMs: number, delayMs: number, thresholdMs: number): void {
    this.misses = [{ timestampMs, delayMs }, ...this.misses].slice(0, MISSES_KEPT);
    this.log(
      'warning',
      'MAIN',
      `Corosync main process was not scheduled (@${timestampMs}) for ${delayMs.toFixed(4)} ms (threshold is ${thresholdMs.toFixed(4)} ms). Consider token timeout increase.`,
    );
  }

  source(): StatsSource {
    return tableSource({
      prefix: 'stats.schedmiss.',
      groups: () => this.misses.map((_, index) => ({ group: `${index}.`, table: SCHEDMISS_STATS })),
      read: (group, name) => {
        const miss = this.misses[Number(group.slice(0, -1))];
        return name === 'timestamp' ? miss?.timestampMs : miss?.delayMs;
      },
      clear: (group) => {
        if (group === 'schedmiss') this.misses = [];
      },
    });
  }
}
