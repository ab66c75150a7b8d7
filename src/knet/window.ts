import { KNET_LIMITS } from './constants.ts';
import { PacketPrints } from './prints.ts';
import { distanceAhead, distanceBehind } from './sequence.ts';

export const Verdict = {
  /** Not seen yet. */
  FRESH: 0,
  DUPLICATE: 1,
  /** Too old to know: a recorded packet sent again, or a sender whose position this window lost. */
  STALE: 2,
} as const;
export type VerdictValue = (typeof Verdict)[keyof typeof Verdict];

const DELIVERED = 1;
const ASSEMBLED = 2;
const MASK = KNET_LIMITS.windowFlags - 1;
const SPAN = 65_535;

/**
 * Duplicate window of one source host (knet.md 2.3): the newest number and one byte of flags for each number near it.
 *
 *     stale (refused) │ judged by flags      newest │ ahead: the window moves │ stale (refused)
 *                     └─ 16383 numbers ────────────┴─ 16383 numbers ─────────┘
 *
 * Stock's window is 4096 wide and starts over, flags wiped, at any number outside: a recorded packet then wipes it.
 * Here such a number changes nothing and is refused, until an authentic PING that agrees with it says that the window is wrong
 * (`anchor`).
 *
 * Sealed packets are judged by what they are (`PacketPrints`) instead of by flags: recorded ones whose numbers lie ahead, of an earlier process of
 * the sender or of an earlier lap, would otherwise use up numbers, and the real packets that carry them next, tokens among them, be taken for
 * duplicates. They are refused only if seen before, or near neither the newest number nor the one that the last PING announced: where the window
 * was led to by recorded packets does not matter.
 */
export class DuplicateWindow {
  private readonly flags = new Uint8Array(KNET_LIMITS.windowFlags);
  private newestSeq = 0;
  private lastStaleSeq = 0;
  /** Number of the last PING that is no recorded one, -1 before the first; 0: its sender had sent nothing by then. */
  private announcedSeq = -1;
  private readonly prints = new PacketPrints();
  private lastWasSealed = false;

  /** The sender's newest packet was a sealed one. */
  get sealed(): boolean {
    return this.lastWasSealed;
  }

  /** Newest number seen, 0 when nothing is known about the sender. */
  get newest(): number {
    return this.newestSeq;
  }

  /** Forgets where the sender is. Sealed packets that were received stay known. */
  reset(): void {
    if (this.newestSeq !== 0) this.flags.fill(0);
    this.newestSeq = 0;
    this.lastStaleSeq = 0;
    this.announcedSeq = -1;
  }

  /** Judges a DATA packet's number and moves the window when it is ahead. `print` is of the sealed packet, 0 for one in clear. */
  judge(seq: number, print: number): VerdictValue {
    this.lastWasSealed = print !== 0;
    if (print !== 0) return this.judgeSealed(seq, print);
    if (this.newestSeq === 0) {
      this.newestSeq = seq;
      return Verdict.FRESH;
    }
    const behind = distanceBehind(this.newestSeq, seq);
    if (behind < KNET_LIMITS.windowNumbers) {
      return (this.flags[seq & MASK]! & DELIVERED) !== 0 ? Verdict.DUPLICATE : Verdict.FRESH;
    }
    if (SPAN - behind <= KNET_LIMITS.windowNumbers) {
      this.advance(seq, SPAN - behind);
      return Verdict.FRESH;
    }
    this.lastStaleSeq = seq;
    return Verdict.STALE;
  }

  private judgeSealed(seq: number, print: number): VerdictValue {
    if (this.prints.has(seq, print)) return Verdict.DUPLICATE;
    const ahead = this.newestSeq === 0 ? 0 : distanceAhead(this.newestSeq, seq);
    if (this.newestSeq === 0) this.newestSeq = seq;
    else if (ahead <= KNET_LIMITS.windowNumbers) this.advance(seq, ahead);
    else if (SPAN - ahead >= KNET_LIMITS.windowNumbers) {
      if (this.announcedSeq < 0 || !near(this.announcedSeq, seq)) return Verdict.STALE;
      this.restartAt(seq);
    }
    return Verdict.FRESH;
  }

  /** Remembers a delivered message. Numbers outside of the window have no place among the flags and are not remembered there. */
  markDelivered(seq: number, print: number): void {
    if (print !== 0) this.prints.remember(seq, print);
    else if (this.covers(seq)) this.flags[seq & MASK]! |= DELIVERED;
  }

  /** Whether a fragment of a sealed message is a copy; it is known from now on. */
  knowsFragment(seq: number, fragSeq: number, print: number): boolean {
    if (this.prints.hasFragment(seq, fragSeq, print)) return true;
    this.prints.rememberFragment(seq, fragSeq, print);
    return false;
  }

  /** Remembers that a number was given a reassembly buffer; later fragments without one are then ignored. */
  markAssembled(seq: number): void {
    if (this.covers(seq)) this.flags[seq & MASK]! |= ASSEMBLED;
  }

  wasAssembled(seq: number): boolean {
    return this.covers(seq) && (this.flags[seq & MASK]! & ASSEMBLED) !== 0;
  }

  /** The number of a PING that is no recorded one; 0 before its sender's first message. */
  announce(seq: number): void {
    this.announcedSeq = seq;
  }

  /**
   * A number that an authentic, current PING announced. Small steps ahead move the window. From further away it starts
   * over only when the window is idle (no DATA since the previous PING) or when refused DATA was near that number.
   */
  anchor(seq: number, idle: boolean): void {
    if (seq === 0) return;
    if (this.newestSeq === 0) {
      this.newestSeq = seq;
      return;
    }
    const ahead = distanceAhead(this.newestSeq, seq);
    if (ahead <= KNET_LIMITS.windowNumbers) {
      if (idle) this.advance(seq, ahead);
      return;
    }
    if (distanceBehind(this.newestSeq, seq) < KNET_LIMITS.windowNumbers) return;
    const agrees = this.lastStaleSeq !== 0 && near(this.lastStaleSeq, seq);
    if (idle || agrees) this.restartAt(seq);
  }

  /** Starts over at a number, nothing seen (knet.md 2.5). */
  restartAt(seq: number): void {
    this.flags.fill(0);
    this.newestSeq = seq;
    this.lastStaleSeq = 0;
  }

  private covers(seq: number): boolean {
    return this.newestSeq !== 0 && distanceBehind(this.newestSeq, seq) < KNET_LIMITS.windowNumbers;
  }

  private advance(seq: number, steps: number): void {
    // 65535 is no multiple of the window: after a wrap numbers share flags with others than before, all long gone.
    for (let step = 0, at = this.newestSeq; step < steps; step++) {
      at = at >= SPAN ? 1 : at + 1;
      this.flags[at & MASK] = 0;
    }
    this.newestSeq = seq;
  }
}

const near = (a: number, b: number): boolean =>
  distanceAhead(a, b) <= KNET_LIMITS.windowNumbers || distanceBehind(a, b) <= KNET_LIMITS.windowNumbers;
