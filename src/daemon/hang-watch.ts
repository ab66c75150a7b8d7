const FIRST_SECONDS = 4;

/**
 * Whether the ring thread hangs, judged by the main thread: counted in ticks of the main thread's own timer, so that a time in which
 * the whole process was stopped does not count. The loop turns at least once a second, even when nothing happens.
 */
export class HangWatch {
  private turns = -1;
  private stillMs = 0;
  private tellAtMs = FIRST_SECONDS * 1000;

  constructor(
    private readonly tickMs: number,
    private readonly tell: (seconds: number) => void,
  ) {}

  /** Every `tickMs`; `turns` is the loop's counter. */
  tick(turns: number): void {
    if (turns !== this.turns) {
      this.turns = turns;
      this.stillMs = 0;
      this.tellAtMs = FIRST_SECONDS * 1000;
      return;
    }
    this.stillMs += this.tickMs;
    if (this.stillMs < this.tellAtMs) return;
    this.tellAtMs *= 2;
    this.tell(this.stillMs / 1000);
  }
}
