/** So much of its period earlier than asked a callback may come, to come with others: nearly half, so that two of one period meet whatever their times were. */
const EARLY_SHARE = 0.45;

/** Of Node's own functions, what is used here; tests have theirs. */
export interface TickClock {
  nowMs(): number;
  /** Calls once, and keeps no process alive. */
  after(delayMs: number, callback: () => void): () => void;
}

const SYSTEM_CLOCK: TickClock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

interface Repeated {
  readonly periodMs: number;
  readonly callback: () => void;
  dueMs: number;
}

/**
 * What the main thread does again and again, in as few wake-ups as that takes: a thread that wakes up for one thing does the others, too, that would
 * be due soon. On an idle machine it is the wake-up that costs, more than all that is done in it.
 */
export class Ticks {
  private readonly repeated = new Set<Repeated>();
  private cancel: (() => void) | null = null;

  constructor(private readonly clock: TickClock = SYSTEM_CLOCK) {}

  /** Calls about every `periodMs`, never less than half of it after the last time. Returns how to end that. */
  every(periodMs: number, callback: () => void): () => void {
    const entry: Repeated = { periodMs, callback, dueMs: this.clock.nowMs() + periodMs };
    this.repeated.add(entry);
    this.plan();
    return () => {
      this.repeated.delete(entry);
      this.plan();
    };
  }

  private plan(): void {
    this.cancel?.();
    this.cancel = null;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.repeated) nextMs = Math.min(nextMs, dueMs);
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.cancel = this.clock.after(Math.max(1, nextMs - this.clock.nowMs()), () => this.tick());
  }

  private tick(): void {
    const nowMs = this.clock.nowMs();
    const due = [...this.repeated].filter(({ periodMs, dueMs }) => dueMs <= nowMs + periodMs * EARLY_SHARE);
    for (const entry of due) entry.dueMs = nowMs + entry.periodMs;
    this.plan(); // before the calls: one that throws ends no other
    for (const entry of due) if (this.repeated.has(entry)) entry.callback();
  }
}

/** Of this process. */
export const ticks = new Ticks();
