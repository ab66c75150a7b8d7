/** Most spins in a row that found nothing before spinning stops; a spin that finds work earns some more. */
const CREDIT_MAX = 16;
const CREDIT_PER_HIT = 2;
/** A trial: windows with and without spinning in turn, so that what else changes meanwhile changes both. */
const TRIAL_WINDOWS = 8;
/**
 * Without spinning: longer than the time slices of the clients, whose turns would be what is measured. With spinning: not longer than a client that
 * only reads may be kept off the processor. Nothing tells of that here, its messages come as fast as before: windows of 15 ms were the tail of a ring whose
 * daemons share two processors (p99 of 10 000 messages a second 4 to 40 ms, 0.25 without trials).
 */
const WINDOW_MS = [15, 2] as const;
/** The wait for the next trial doubles with each one that spoke against spinning. */
const TRIAL_EVERY_MS = { min: 1000, max: 64_000 } as const;
/** Spinning costs a processor: it has to bring this much more, and at least this many messages in its windows. */
const GAIN = 1.2;
const MESSAGES_MIN = 128;
/** How often it is looked at whether what a trial decided still holds. */
const CHECK_MS = 5;
const SLOW_CHECKS_MAX = 3;
/**
 * A window with spinning ends the trial at once where it harms: after so long, with less than this share of what so much time without
 * spinning brings, if that is messages enough to tell. One message in flight takes thirty times as long while a daemon spins where the next
 * one's should run.
 */
const HARM = { afterMs: 1, share: 0.85, messagesMin: 8 } as const;

/**
 * Whether to poll a little longer before sleeping. A wake-up from epoll costs tens of microseconds; under load the next frame or
 * request comes sooner than that, if the processor is not needed by those who would send it: three daemons that spin with real-time
 * priority on two cores starve their own clients. Nothing that a daemon can ask the kernel for tells the two cases apart, so it is
 * measured: a short trial now and then, and spinning only if more messages were handled with it than without.
 *
 * Within that, spinning is used while it pays: each spin that ends without work costs a credit, each that finds work (or a sleep that
 * was shorter than a spin) earns some. So an idle ring does not burn a core.
 */
export class SpinControl {
  private credit = CREDIT_MAX / 2;
  private startMs = 0;
  private spinning = false;
  private sleptAtMs = 0;
  /** Whether the last trial was in favour of spinning. */
  private pays = false;
  /** Messages a millisecond without spinning, in the last trial. */
  private perMsWithout = 0;
  private slow = 0;
  private checkedMs = 0;
  private checkedMessages = 0;
  /** The window of the trial that runs, or -1 between trials. */
  private window = -1;
  private trialEveryMs: number = TRIAL_EVERY_MS.min;
  private windowStartMs = 0;
  private windowMessages = 0;
  /** Sums over the windows of the trial: [without spinning, with]. */
  private readonly trialMs = new Float64Array(2);
  private readonly trialMessages = new Float64Array(2);

  constructor(private readonly spinMs: number) {}

  /** Once a turn: `messages` is the count of all messages ever handled. */
  turn(nowMs: number, messages: number): void {
    if (this.window < 0 && this.pays) this.check(nowMs, messages);
    const elapsedMs = nowMs - this.windowStartMs;
    const harms = this.window >= 0 && (this.window & 1) === 1 && this.harms(elapsedMs, messages - this.windowMessages);
    if (!harms && elapsedMs < (this.window < 0 ? this.trialEveryMs : WINDOW_MS[this.window & 1]!)) return;
    if (this.window >= 0) {
      const arm = this.window & 1;
      this.trialMs[arm] = this.trialMs[arm]! + elapsedMs;
      this.trialMessages[arm] = this.trialMessages[arm]! + messages - this.windowMessages;
    }
    this.windowStartMs = nowMs;
    this.windowMessages = messages;
    if (++this.window === TRIAL_WINDOWS || harms) this.judge();
  }

  /** What a trial has decided ends with the load that it was decided for: less comes than did without spinning. */
  private check(nowMs: number, messages: number): void {
    const elapsedMs = nowMs - this.checkedMs;
    if (elapsedMs < CHECK_MS) return;
    const came = messages - this.checkedMessages;
    // Nothing: the load pauses. Once: it began or ended in between.
    this.slow = came > 0 && came < HARM.share * this.perMsWithout * elapsedMs ? this.slow + 1 : 0;
    if (this.slow === SLOW_CHECKS_MAX) this.pays = false;
    this.checkedMs = nowMs;
    this.checkedMessages = messages;
  }

  /** Whether a window with spinning has so far brought far less than those without it. */
  private harms(elapsedMs: number, messages: number): boolean {
    if (elapsedMs < HARM.afterMs) return false;
    const expected = (this.trialMessages[0]! / this.trialMs[0]!) * elapsedMs;
    return expected >= HARM.messagesMin && messages < HARM.share * expected;
  }

  private judge(): void {
    const [without, withSpinning] = [
      this.trialMessages[0]! / this.trialMs[0]!,
      this.trialMessages[1]! / this.trialMs[1]!,
    ];
    const busy = this.trialMessages[0]! + this.trialMessages[1]! >= MESSAGES_MIN;
    this.pays = busy && withSpinning > GAIN * without;
    this.perMsWithout = without;
    this.slow = 0;
    this.checkedMs = this.windowStartMs;
    this.checkedMessages = this.windowMessages;
    this.trialEveryMs = busy && !this.pays ? Math.min(2 * this.trialEveryMs, TRIAL_EVERY_MS.max) : TRIAL_EVERY_MS.min;
    this.window = -1;
    this.trialMs.fill(0);
    this.trialMessages.fill(0);
  }

  /** Work was found in this turn. */
  worked(): void {
    if (!this.spinning) return;
    this.spinning = false;
    this.earn();
  }

  /** Nothing was found: poll again (true) or sleep (false). */
  maySpin(nowMs: number): boolean {
    if (this.credit <= 0 || !(this.window < 0 ? this.pays : (this.window & 1) === 1)) return false;
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
