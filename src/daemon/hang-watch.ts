const FIRST_SECONDS = 4;

/**
 * Whether the ring thread hangs, judged by the main thread: counted in ticks of the main thread's own timer, so that a time in which
 * the whole process was stopped does not count. The loop turns at least once a second, even when nothing happens.
 */
export class HangWatch {
  private turns = 0;
  private started = false;
  private stillMs = 0;
  private reportAtMs = FIRST_SECONDS * 1000;

  constructor(
    private readonly tickMs: number,
    /** `started`: the loop has turned before. On a busy machine a start takes its time, and is no hang. */
    private readonly report: (seconds: number, started: boolean) => void,
  ) {}

  /** Every `tickMs`; `turns` is the loop's counter. */
  tick(turns: number): void {
    if (turns !== this.turns) {
      this.turns = turns;
      this.started = true;
      this.stillMs = 0;
      this.reportAtMs = FIRST_SECONDS * 1000;
      return;
    }
    this.stillMs += this.tickMs;
    if (this.stillMs < this.reportAtMs) return;
    this.reportAtMs *= 2;
    this.report(this.stillMs / 1000, this.started);
  }
}
