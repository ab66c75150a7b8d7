/** How long a moderated client is left alone: some ten messages of one that does not wait for responses. */
export const QUIET_MS = 0.05;
/**
 * Wake-ups over which it is decided, and how little time they have to take: more than 500 a second. Where everything has one processor, a client
 * in lockstep with a ring that goes round thirty times for each message comes to no more than a thousand.
 */
const WAKES = 32;
const WAKE_MS = 2;
/** A client with which moderation has paid a moment ago needs fewer: something else had the processor meanwhile. */
const WAKES_AGAIN = 4;
const AGAIN_MS = 1000;
/** Messages a wake-up, or a look, from which on moderation pays. */
const BATCH = 4;
/** Looks that found something, in a trial and after it. A client that others keep off the processor shows nothing, which says nothing. */
const TRIAL_LOOKS = 4;
const LOOKS = 64;
/** So many looks in a row that found nothing: the client pauses, and its next request is to be noticed at once. */
const IDLE_LOOKS = 40;
/** After so many it is not expected to send the next moment. */
const QUIET_LOOKS = 4;
/** The wait for the next trial doubles with each one that brought nothing. */
const PAUSE_MS = { min: 250, max: 8000 } as const;

/**
 * Whether a client's doorbell wakes the loop, decided by what its wake-ups bring, as network drivers do with interrupts.
 *
 * A client writes a byte for each message. When the loop sleeps, that wakes it, and where it has to share a processor with the client it
 * takes the processor away from it (at real-time priority always): one message, two context switches, and so on, in lockstep, while the
 * same client left alone for 50 µs would have written a dozen. So a client whose wake-ups are many and bring one message each is put on
 * trial: its byte does not wake the loop, it is looked at every 50 µs. If the looks that find something find several messages each, it
 * stays so as long as they do. A client that waits for each response shows one message a look and is heard at once again.
 *
 * A rule over counts and times that it is given; no clock, no descriptor.
 */
export class Moderation {
  /** The doorbell does not wake; the ring is looked at from time to time. */
  moderated = false;
  /** When to look at a moderated client next. */
  lookAtMs = Number.POSITIVE_INFINITY;
  private trial = false;
  private startMs = 0;
  private startMessages = 0;
  private count = 0;
  private lastMessages = 0;
  private idle = 0;
  private trialAtMs = Number.NEGATIVE_INFINITY;
  private paidAtMs = Number.NEGATIVE_INFINITY;
  private pauseMs: number = PAUSE_MS.min;

  /** One that is moderated sends all the time, unless some looks have found nothing. */
  get expects(): boolean {
    return this.moderated && this.idle < QUIET_LOOKS;
  }

  /** The doorbell woke the loop; `messages` is the number of messages that the client ever sent. Whether it is moderated from now on. */
  woken(nowMs: number, messages: number): boolean {
    if (this.moderated) return true;
    if (this.count === 0) {
      this.startMs = nowMs;
      this.startMessages = messages;
    }
    const wanted = nowMs - this.paidAtMs < AGAIN_MS ? WAKES_AGAIN : WAKES;
    if (this.count++ < wanted) return false;
    const costs = nowMs - this.startMs < WAKE_MS * wanted && messages - this.startMessages < BATCH * wanted;
    this.count = 0;
    if (!costs || nowMs < this.trialAtMs) return false;
    this.moderated = true;
    this.trial = true;
    this.begin(nowMs, messages);
    return true;
  }

  /** The loop is about to sleep, and has served what there was. Whether the client stays moderated. */
  looked(nowMs: number, messages: number): boolean {
    if (nowMs < this.lookAtMs) return true;
    this.lookAtMs = nowMs + QUIET_MS;
    const found = messages !== this.lastMessages;
    this.idle = found ? 0 : this.idle + 1;
    if (found) this.count++;
    this.lastMessages = messages;
    const enough = messages - this.startMessages >= BATCH * this.count;
    if (this.idle >= IDLE_LOOKS) this.end(nowMs, !this.trial || enough);
    else if (this.count >= (this.trial ? TRIAL_LOOKS : LOOKS)) {
      if (enough) {
        this.trial = false;
        this.pauseMs = PAUSE_MS.min;
        this.begin(nowMs, messages);
      } else this.end(nowMs, !this.trial);
    }
    return this.moderated;
  }

  private begin(nowMs: number, messages: number): void {
    this.startMessages = messages;
    this.lastMessages = messages;
    this.count = 0;
    this.idle = 0;
    this.lookAtMs = nowMs + QUIET_MS;
  }

  private end(nowMs: number, paid: boolean): void {
    this.moderated = false;
    this.count = 0;
    this.lookAtMs = Number.POSITIVE_INFINITY;
    this.paidAtMs = paid ? nowMs : Number.NEGATIVE_INFINITY;
    if (paid) return;
    this.trialAtMs = nowMs + this.pauseMs;
    this.pauseMs = Math.min(2 * this.pauseMs, PAUSE_MS.max);
  }
}
