import { RING_SEQ_MAX, RING_SEQ_QUARTER, ringSeqAfter, ringSeqNewer } from '../lib/ring-seq.ts';
import type { RingState } from './state.ts';

/**
 * A ring id is on disk before it is used, so that no crash can bring it back (stock writes it afterwards, totem.md 4.2).
 * Sequence numbers are reserved in blocks, as soon as the rest of a block is small: the disk is slow, COMMIT must not wait.
 */
export const RING_SEQ_STEP = 4;
const BLOCK = RING_SEQ_STEP * 1024;
export const ENOUGH = RING_SEQ_STEP * 256;
/** A ring that is this far ahead has formed 260,000 times more often. */
export const LEAP = 2 ** 20;
const SCATTER = 2 ** 40;
/**
 * Numbers that no honest ring reaches, a thousand memberships a second for a month: a forger made them. Who has gone around the circle since
 * may meet others who have stayed, and four more than theirs is what he was in before. So steps have random widths there, below a leap.
 */
const FORGED = 2 ** 32;
const FORGED_STEPS = 2 ** 17;
/** After so many confirmations of the disk for one commit, JOINs that raise the number meanwhile do not count any more. */
const WAITS_MAX = 3;

/**
 * A JOIN is a leap ahead, so the next ring's number is one too, and nobody knows which. Each node would ask its disk when the commit token arrives, one
 * after the other, while the token waits: where the disk is not much faster than the token timeout no such ring forms, and the next attempt leaps
 * elsewhere. So all ask at once, for all numbers that the leap may land on; forged JOINs cost one write in a consensus timeout. Who crashes
 * begins there: somewhere, as a leap does, and never at the end of the circle, behind which the ids of the first rings come again.
 */
export function requestLeap(s: RingState, ringSeq: number): void {
  if (s.nowMs - s.diskWait.leapAskedMs < s.timings.consensusMs) return;
  const upTo = ringSeqAfter(ringSeq, SCATTER + Math.floor(s.random() * SCATTER));
  if (!ringSeqNewer(upTo, s.diskWait.reserved)) return;
  s.diskWait.leapAskedMs = s.nowMs;
  ask(s, upTo);
}

/** Asks for the next block when fewer than `ENOUGH` numbers behind `ringSeq` are reserved or asked for. */
export function requestAhead(s: RingState, ringSeq: number): void {
  const enough = ringSeq > FORGED ? LEAP : ENOUGH;
  if (!ringSeqNewer(ringSeqAfter(ringSeq, enough), s.diskWait.requested)) return;
  ask(s, ringSeq);
}

function ask(s: RingState, ringSeq: number): void {
  const block = ringSeqAfter(ringSeq, ringSeq > FORGED ? 4 * LEAP : BLOCK);
  // From the middle of the circle the way to its start is the end: the disk must not be asked for what it takes for the past.
  const upTo = ringSeqNewer(block, s.diskWait.reserved) ? block : RING_SEQ_MAX;
  if (upTo === s.diskWait.requested || !ringSeqNewer(upTo, s.diskWait.reserved)) return;
  s.diskWait.requested = upTo;
  s.user.reserveRingSeq(upTo);
}

/** Whether this ring seq is on disk, so that the node may take part in such a ring. */
export function mayUse(s: RingState, ringSeq: number): boolean {
  if (!ringSeqNewer(ringSeq, s.diskWait.reserved)) {
    requestAhead(s, ringSeq);
    return true;
  }
  // Whatever was asked for before: around a circle a number that is far ahead may lie behind this one.
  ask(s, ringSeq);
  s.observer.report({ kind: 'ringSeqNotReserved', needed: ringSeq });
  return false;
}

/**
 * The ring seq that this node may propose now, or -1; then the commit goes on in `ringSeqReserved()`. Who forges JOINs with ever
 * higher numbers is ahead of every disk: after some waits the number is taken that is on disk by then.
 */
export function takeNextRingSeq(s: RingState): number {
  const next = nextRingSeq(s);
  if (mayUse(s, next)) return next;
  if (s.diskWait.waits >= WAITS_MAX && ringSeqNewer(s.diskWait.reserved, s.ring.seq)) return s.diskWait.reserved;
  s.diskWait.commitWaiting = true;
  return -1;
}

/**
 * Four more than what is known. Where a forged JOIN made that a leap it lands somewhere, not where the forger says: going around the
 * circle he would bring back the ids of rings that have been.
 */
function nextRingSeq(s: RingState): number {
  const { diskWait, ring, ringSeqMax } = s;
  const next = ringSeqAfter(ringSeqMax, RING_SEQ_STEP);
  const leaps = next <= ring.seq || next - ring.seq >= LEAP;
  if (!leaps && next <= FORGED) return next;
  // One number until it is used, however often the disk is waited for.
  if (diskWait.leapFrom === ringSeqMax && ringSeqNewer(diskWait.leapTo, ring.seq)) return diskWait.leapTo;
  diskWait.leapFrom = ringSeqMax;
  diskWait.leapTo = leaps ? landing(s, next) : ringSeqAfter(next, randomSteps(s, FORGED_STEPS));
  return diskWait.leapTo;
}

function landing(s: RingState, next: number): number {
  const scatter = randomSteps(s, SCATTER / RING_SEQ_STEP);
  const leap = ringSeqAfter(next, scatter);
  // Behind the end comes the start, but not for who is still in the middle: the way there is the last quarter.
  return ringSeqNewer(leap, s.ring.seq) ? leap : ringSeqAfter(s.ring.seq, RING_SEQ_QUARTER - scatter);
}

const randomSteps = (s: RingState, below: number): number => RING_SEQ_STEP * Math.floor(s.random() * below);
