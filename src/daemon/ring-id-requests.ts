import { ringSeqNewer } from '../lib/ring-seq.ts';

/** A ring in trouble forms a few rings a second; more requests than this come from somebody who forges ring ids. */
const SPACING_MS = 20;

/**
 * The ring thread's requests for ring sequences. Each costs a wait for the disk, so those that come close together are served by
 * one: a flood of forged JOINs on a ring without encryption must not stop the main thread.
 */
export class RingIdRequests {
  private upTo: number | null = null;
  private servedAtMs = Number.NEGATIVE_INFINITY;
  private waiting = false;

  constructor(
    /** Stores the number, then responds. */
    private readonly serve: (upTo: number) => void,
    private readonly clock: { nowMs(): number; later(run: () => void, ms: number): void } = {
      nowMs: () => performance.now(),
      later: setTimeout,
    },
  ) {}

  ask(upTo: number): void {
    if (this.upTo === null || ringSeqNewer(upTo, this.upTo)) this.upTo = upTo;
    if (this.waiting) return;
    const waitMs = this.servedAtMs + SPACING_MS - this.clock.nowMs();
    if (waitMs <= 0) this.reply(this.upTo);
    else {
      this.waiting = true;
      this.clock.later(() => this.reply(this.upTo ?? upTo), Math.ceil(waitMs));
    }
  }

  private reply(upTo: number): void {
    this.waiting = false;
    this.upTo = null;
    this.serve(upTo);
    this.servedAtMs = this.clock.nowMs();
  }
}
