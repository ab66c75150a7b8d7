import type { Clock } from '../../client/clock.ts';

/** Time limits of calls; all end with their owner. */
export class Deadlines {
  private readonly timers = new Set<{ cancel(): void }>();

  constructor(private readonly clock: Clock) {}

  /** Rejects with what `late` makes when the promise takes longer than `ms`; `Infinity`: no limit. */
  limit<T>(promise: Promise<T>, ms: number, late: () => Error): Promise<T> {
    if (ms === Number.POSITIVE_INFINITY) return promise;
    return new Promise((resolve, reject) => {
      const timer = this.clock.setTimer(ms, () => reject(late()));
      this.timers.add(timer);
      const forget = (): void => {
        timer.cancel();
        this.timers.delete(timer);
      };
      promise.then(resolve, reject).finally(forget);
    });
  }

  clear(): void {
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
  }
}
