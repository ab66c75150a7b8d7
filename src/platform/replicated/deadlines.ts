import type { Clock } from '../../client/clock.ts';

/**
 * `release()` and `close()` wait so long until the others have agreed that something is given back. Where that is not possible, because no
 * majority is left for example, the others take it when this member has left and its time is over.
 */
export const GIVE_BACK_MS = 1_000;

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

  /** Resolves, or rejects, as the promise does; after `GIVE_BACK_MS` it resolves all the same. */
  async givenBack(promise: Promise<unknown>): Promise<void> {
    let late = false;
    const limited = this.limit(promise, GIVE_BACK_MS, () => {
      late = true;
      return new Error('not given back yet');
    });
    await limited.catch((error: unknown) => {
      if (!late) throw error;
    });
  }

  clear(): void {
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
  }
}
