import { LIMITS } from './limits.ts';
import type { RingState } from './state.ts';

/**
 * A ring id is on disk before it is used, so that no crash can bring it back (stock writes it afterwards, totem.md 4.2).
 * Sequence numbers are reserved in blocks, as soon as the rest of a block is small: the disk is slow, COMMIT must not wait.
 */
export const RING_SEQ_STEP = 4;
const BLOCK = RING_SEQ_STEP * 1024;
const ENOUGH = RING_SEQ_STEP * 256;

/** Asks for the next block when fewer than `ENOUGH` numbers behind `ringSeq` are reserved or asked for. */
export function requestAhead(s: RingState, ringSeq: number): void {
  if (ringSeq + ENOUGH <= s.requestedRingSeq) return;
  s.requestedRingSeq = Math.min(ringSeq + BLOCK, LIMITS.ringSeqMax + LIMITS.ringSeqJump);
  s.user.reserveRingSeq(s.requestedRingSeq);
}

/** Whether this ring seq is on disk, so that the node may take part in such a ring. */
export function mayUse(s: RingState, ringSeq: number): boolean {
  requestAhead(s, ringSeq);
  if (ringSeq <= s.reservedRingSeq) return true;
  s.observer.report({ kind: 'ringSeqNotReserved', needed: ringSeq });
  return false;
}

/** Whether this node may propose a ring now; if not, the commit goes on in `ringSeqReserved()`. */
export function mayUseNextRing(s: RingState): boolean {
  if (mayUse(s, s.ringSeqMax + RING_SEQ_STEP)) return true;
  s.commitWaits = true;
  return false;
}
