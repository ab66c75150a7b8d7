/** So long a node alone leaves the processor to the client that it has just woken. */
export const REST_MS = 0.05;
/** A client that takes longer does something else between its messages, and says nothing. While code is interpreted yet, thirty rotations take 0.4 ms. */
const REPLY_MS_MAX = 1;
/** So many of the last waits count. */
const KEPT = 8;
/** Of so many messages so few try the other way: less than one in a hundred. */
const PERIOD = 1024;
const TRIED = 8;

/**
 * A node alone sends its token round to itself, some thirty times after each message, without a pause. Meanwhile a client that was woken on the same
 * processor cannot send its next message, because this thread has real-time priority; one on another processor can, and is heard at once because
 * this thread is awake. The kernel decides which it is, and moves clients. So both ways are tried, and the one after which the next message came sooner
 * is gone: to go on, or to rest.
 *
 * A rule over times that it is given; no clock.
 */
export class RestControl {
  /** Milliseconds from the wake-up of the client to its next message: [going on, resting]. */
  private readonly waitsMs = new Float64Array(2);
  private way: 0 | 1 = 0;
  private wokeMs = Number.NEGATIVE_INFINITY;
  private count = 0;

  /** A client that waits for its message is woken. Until when to rest. */
  woke(nowMs: number): number {
    const better = this.waitsMs[1]! < this.waitsMs[0]! ? 1 : 0;
    const tries = this.count++ % PERIOD < TRIED;
    this.way = tries === (better === 0) ? 1 : 0;
    this.wokeMs = nowMs;
    return this.way === 1 ? nowMs + REST_MS : Number.NEGATIVE_INFINITY;
  }

  /** Requests came. */
  served(nowMs: number): void {
    const waitedMs = nowMs - this.wokeMs;
    this.wokeMs = Number.NEGATIVE_INFINITY;
    if (waitedMs < REPLY_MS_MAX)
      this.waitsMs[this.way] = this.waitsMs[this.way]! + (waitedMs - this.waitsMs[this.way]!) / KEPT;
  }
}
