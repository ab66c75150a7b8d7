import { KNET_LIMITS } from './constants.ts';

/**
 * Time for expanding compressed messages. The slowest models need ten milliseconds for one, and whoever may send chooses the model: a
 * hundred of them a second would leave no time for the token.
 */
export class ExpandBudget {
  private startMs = Number.NEGATIVE_INFINITY;
  private spentMs = 0;

  constructor(private readonly limitMs: number) {}

  /** Whether something is left of this period's time. The last message of a period may overdraw it. */
  admits(nowMs: number): boolean {
    if (nowMs - this.startMs >= KNET_LIMITS.expandPeriodMs) {
      this.startMs = nowMs;
      this.spentMs = 0;
    }
    return this.spentMs < this.limitMs;
  }

  charge(ms: number): void {
    this.spentMs += ms;
  }
}
