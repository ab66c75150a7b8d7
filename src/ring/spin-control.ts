/** Most spins in a row that found nothing before spinning stops; a spin that finds work earns some more. */
const CREDIT_MAX = 16;
const CREDIT_PER_HIT = 2;

/**
 * Whether to poll a little longer before sleeping. A wake-up from epoll costs tens of microseconds; under load the next frame or
 * request comes sooner than that. On an idle ring spinning would only burn a core, so it is used while it pays: each spin that ends
 * without work costs a credit, each that finds work (or a sleep that was shorter than a spin) earns some.
 */
export class SpinControl {
  private credit = CREDIT_MAX / 2;
  private startMs = 0;
  private spinning = false;
  private sleptAtMs = 0;

  constructor(private readonly spinMs: number) {}

  /** Work was found in this turn. */
  worked(): void {
    if (!this.spinning) return;
    this.spinning = false;
    this.earn();
  }

  /** Nothing was found: poll again (true) or sleep (false). */
  maySpin(nowMs: number): boolean {
    if (this.credit <= 0) return false;
    if (!this.spinning) {
      this.spinning = true;
      this.startMs = nowMs;
      return this.spinMs > 0;
    }
    if (nowMs - this.startMs < this.spinMs) return true;
    this.credit--;
    return false;
  }

  sleeps(nowMs: number): void {
    this.spinning = false;
    this.sleptAtMs = nowMs;
  }

  /** Woken by something other than a timer. */
  wakes(nowMs: number): void {
    if (nowMs - this.sleptAtMs < this.spinMs * 2) this.earn();
  }

  private earn(): void {
    this.credit = Math.min(CREDIT_MAX, this.credit + CREDIT_PER_HIT);
  }
}
