import type { Clock } from '../../client/clock.ts';

interface Expiry {
  atMs: number;
  /** Resolves when the announcement has had its effect; rejects when it is lost. */
  readonly announce: () => Promise<unknown>;
}

/** An announcement that was without effect is made again after this. */
const AGAIN_MS = 10_000;

/**
 * What ends after a time: every member measures it from when it saw the beginning, by its own clock, and the first member announces the
 * end in the agreed order. An announcement that is made twice, or too late because there was a renewal, has to be without effect.
 */
export class ExpiryWatch {
  private readonly expiries = new Map<string, Expiry>();
  private isFirst = false;
  private timer = { cancel: (): void => {} };
  private timerMs = Number.POSITIVE_INFINITY;

  constructor(private readonly clock: Clock) {}

  /** A new beginning replaces an old one of the same name. */
  begin(name: string, afterMs: number, announce: () => Promise<unknown>): void {
    const atMs = this.clock.nowMs() + afterMs;
    this.expiries.set(name, { atMs, announce });
    if (atMs < this.timerMs) this.arm();
  }

  end(name: string): void {
    this.expiries.delete(name);
  }

  has(name: string): boolean {
    return this.expiries.has(name);
  }

  clear(): void {
    this.expiries.clear();
  }

  /** Whether this member is the one that announces. What another one did not get round to is announced now. */
  setFirst(isFirst: boolean): void {
    this.isFirst = isFirst;
    this.arm();
  }

  stop(): void {
    this.clear();
    this.timer.cancel();
  }

  private arm(): void {
    this.timer.cancel();
    this.timerMs = Number.POSITIVE_INFINITY;
    if (!this.isFirst) return;
    for (const { atMs } of this.expiries.values()) this.timerMs = Math.min(this.timerMs, atMs);
    if (this.timerMs === Number.POSITIVE_INFINITY) return;
    const leftMs = Math.max(0, this.timerMs - this.clock.nowMs());
    this.timer = this.clock.setTimer(leftMs, () => this.announce());
  }

  private announce(): void {
    const nowMs = this.clock.nowMs();
    for (const expiry of this.expiries.values()) {
      if (expiry.atMs > nowMs) continue;
      expiry.atMs = Number.POSITIVE_INFINITY; // one is on its way
      const again = (): void => {
        expiry.atMs = this.clock.nowMs() + AGAIN_MS;
        this.arm();
      };
      expiry.announce().then(again, again);
    }
    this.arm();
  }
}
