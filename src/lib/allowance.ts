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
    if (this.atMs !== Number.NEGATIVE_INFINITY)
      this.left = Math.min(this.most, this.left + ((nowMs - this.atMs) * this.perSecond) / 1000);
    this.atMs = nowMs;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}
