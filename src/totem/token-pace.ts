import { seqLt } from '../lib/seq.ts';

/** A token is sent again after this long at the earliest. */
export const RESEND_MS_MIN = 2;
/** … and after so many times what a rotation usually takes. */
const ROTATIONS_BEFORE_RESEND = 4;
/** The estimate of a rotation before the first one was seen, in milliseconds. */
const ROTATION_MS_FIRST = 20;
/** How far one rotation moves the estimate, as a share of it: up and down, so that three tenths of all rotations are faster. */
const STEP_UP = 0.3 / 8;
const STEP_DOWN = 0.7 / 8;
/** As many copies are seldom lost one after the other. */
const RESENDS_UNTIL_LATE = 2;
/** The same token is not sent again more often than this because of copies of the one before it. */
const COPY_GAP_MS = 1;

/**
 * When a token that was sent on is sent again (docs/totem-core.md, "A lost token"). Stock waits a fifth of the token timeout, 869 ms in
 * a ring of three: with one datagram in a hundred lost, the ring then waits most of the time. A copy is harmless, whoever gets it:
 * it has a token_seq that was seen.
 */
export class TokenPace {
  /** What is faster than the estimate in three of ten rotations: one that waited for a lost token hardly moves it. */
  rotationMs = ROTATION_MS_FIRST;
  /** When the token in circulation was first sent by this node; negative: it was not, or the next visit means nothing. */
  private sentAtMs = -1;
  private copiedAtMs = -1;
  private resends = 0;
  /** The representative has it, and has not sent it on. */
  private kept = false;
  /** Highest message number when the token left: a higher one means that the next node has it. */
  private seq = 0;
  private watching = false;

  /** A new ring: nothing is under way. What is known of the network stays. */
  reset(): void {
    this.sentAtMs = -1;
    this.resends = 0;
    this.kept = false;
    this.watching = false;
  }

  /** A valid token came: the one sent before it has gone round. */
  returned(nowMs: number): void {
    this.watching = false;
    const sample = nowMs - this.sentAtMs;
    if (this.sentAtMs < 0 || this.resends > 0) return;
    this.rotationMs *= sample > this.rotationMs ? 1 + STEP_UP : 1 - STEP_DOWN;
  }

  /** The token is sent on for the first time. `idle`: the representative will keep it, so its return means nothing; `kept`: this is the representative. */
  passed(nowMs: number, seq: number, idle: boolean, kept = false): void {
    this.sentAtMs = idle ? -1 : nowMs;
    this.resends = 0;
    this.kept = kept;
    this.seq = seq;
    this.watching = !idle;
  }

  /** Whole milliseconds until the token is sent again, at most `longestMs`. */
  resendMs(longestMs: number): number {
    if (!this.watching) return longestMs;
    const first = Math.max(RESEND_MS_MIN, Math.ceil(ROTATIONS_BEFORE_RESEND * this.rotationMs));
    return Math.min(longestMs, first * 2 ** Math.min(this.resends, 16));
  }

  resent(nowMs: number): void {
    if (this.kept) this.kept = false;
    else this.resends++;
    this.copiedAtMs = nowMs;
  }

  /** How often the token will have been sent before, when it is sent again now. */
  get nextRepeat(): number {
    return this.kept ? 0 : this.resends + 1;
  }

  /** The token was sent again, and again: whoever has it, or should, may be dead. */
  get isLate(): boolean {
    return this.resends >= RESENDS_UNTIL_LATE;
  }

  /** A message of this ring came. True once: somebody behind this node has the token, it is not this node's care any more. */
  isAhead(seq: number): boolean {
    if (!this.watching || !seqLt(this.seq, seq)) return false;
    this.watching = false;
    return true;
  }

  /**
   * A copy of the token that this node had last: who sent it takes it for lost. If that is so, it was lost behind this node, which can
   * send it again. True: it should.
   */
  resendsOnCopy(nowMs: number): boolean {
    return this.watching && nowMs - Math.max(this.copiedAtMs, this.sentAtMs) >= COPY_GAP_MS;
  }
}
