import type { EngineTimer } from '../services/engine.ts';

interface Entry {
  readonly atMs: number;
  readonly serial: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** Virtual time: timers run in order when a test moves the clock. */
export class FakeClock {
  private now = 1000;
  private serial = 0;
  private entries: Entry[] = [];

  nowMs(): number {
    return this.now;
  }

  get hasTimers(): boolean {
    return this.entries.some(({ cancelled }) => !cancelled);
  }

  setTimer(delayMs: number, callback: () => void): EngineTimer {
    const entry: Entry = { atMs: this.now + delayMs, serial: this.serial++, callback, cancelled: false };
    this.entries.push(entry);
    return {
      cancel: () => {
        entry.cancelled = true;
      },
    };
  }

  /** Runs the next timer that is due by `limitMs`; `false` if there is none. */
  runNext(limitMs: number): boolean {
    this.entries = this.entries.filter((entry) => !entry.cancelled);
    this.entries.sort((a, b) => a.atMs - b.atMs || a.serial - b.serial);
    const first = this.entries[0];
    if (first === undefined || first.atMs > limitMs) {
      this.now = Math.max(this.now, limitMs);
      return false;
    }
    this.entries.shift();
    this.now = Math.max(this.now, first.atMs);
    first.callback();
    return true;
  }
}

/** Small seeded generator (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
