/** A client that asks again as soon is at work: it has its response, and asks the next. */
const SOON_MS = 0.05;
/** How long the next request is waited for: what a client takes to wake up and ask, twice. A sleep of this thread takes as long. */
const WAIT_MS = 0.02;
/** All waits of one turn of the loop, and what is served in them: others have theirs after it. */
const TURN_MS = 0.25;
/** After waits in vain so many chances are left out, twice as many each time. */
const SKIPPED_MAX = 1024;

/**
 * Whether the next request of a client is waited for awake, in the turn that has responded to the last one. A program that reads many keys asks
 * the next moment, and then neither side sleeps and is woken by the other for each of them. It does not pay where the client needs the processor
 * that waits, or does something between its requests: a wait in vain makes the next ones rarer, until one request in a thousand pays for it.
 *
 * A rule over times that it is given; no clock.
 */
export class Anticipation {
  private respondedMs = Number.NEGATIVE_INFINITY;
  private turnEndMs = 0;
  private waitEndMs = 0;
  private soon = false;
  private cutShort = false;
  private skipped = 0;
  private toSkip = 0;

  /** The loop has come to this client. */
  turnBegins(nowMs: number): void {
    this.soon = nowMs - this.respondedMs < SOON_MS;
    this.turnEndMs = nowMs + TURN_MS;
    this.cutShort = false;
  }

  /** It would have been waited for, but the turn was over. */
  get wasCutShort(): boolean {
    return this.cutShort;
  }

  /** Everything it asked has its response. Whether to wait for its next request. */
  begin(nowMs: number): boolean {
    this.respondedMs = nowMs;
    if (!this.soon) return false;
    this.cutShort = nowMs >= this.turnEndMs;
    if (this.cutShort) return false;
    if (this.toSkip > 0) {
      this.toSkip--;
      return false;
    }
    this.waitEndMs = nowMs + WAIT_MS;
    return true;
  }

  /** Nothing has come yet. Whether to go on. */
  mayContinue(nowMs: number): boolean {
    if (nowMs < this.waitEndMs) return true;
    this.skipped = Math.min(Math.max(1, 2 * this.skipped), SKIPPED_MAX);
    this.toSkip = this.skipped;
    return false;
  }

  /** It has come. */
  came(): void {
    this.skipped = 0;
  }
}
