/** So many at once, and so many a second in the long run. */
export class Allowance {
  private left: number;
  private atMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly most: number,
    private readonly perSecond: number,
  ) {
    this.left = most;
  }

  /** Takes one, if there is one. `nowMs` is monotonic. */
  take(nowMs: number): boolean {
    if (!this.isThere(nowMs)) return false;
    this.left -= 1;
    return true;
  }

  /** Whether there is one to take. */
  isThere(nowMs: number): boolean {
    this.refill(nowMs);
    return this.left >= 1;
  }

  /** Whether it is as if nothing had been taken. */
  isWhole(nowMs: number): boolean {
    this.refill(nowMs);
    return this.left === this.most;
  }

  private refill(nowMs: number): void {
    if (this.atMs !== Number.NEGATIVE_INFINITY)
      this.left = Math.min(this.most, this.left + ((nowMs - this.atMs) * this.perSecond) / 1000);
    this.atMs = nowMs;
  }
}
