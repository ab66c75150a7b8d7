/**
 * Order of ring sequence numbers. Stock compares them as plain u64, and so do we as long as a ring's numbers grow as rings do, by four for
 * each: that takes thousands of years to the end. But without encryption one forged JOIN brings all nodes anywhere, and a number
 * without a successor would be the end of the ring, over restarts. So the numbers lie on a circle:
 *
 *      0 ── first quarter ──┬────── middle half ──────┬── last quarter ── RING_SEQ_MAX, then from the start again
 *
 * The first quarter is newer than the last one; everything else compares plainly. No position is worse than another.
 */
export const RING_SEQ_MAX = 2 ** 52;
export const RING_SEQ_QUARTER = RING_SEQ_MAX / 4;

/** Whether ring sequence `a` comes after `b`. Both are at most `RING_SEQ_MAX`. */
export function ringSeqNewer(a: number, b: number): boolean {
  if (a < RING_SEQ_QUARTER && b > RING_SEQ_MAX - RING_SEQ_QUARTER) return true;
  if (b < RING_SEQ_QUARTER && a > RING_SEQ_MAX - RING_SEQ_QUARTER) return false;
  return a > b;
}

/** The number `steps` after `seq`. */
export function ringSeqAfter(seq: number, steps: number): number {
  const sum = seq + steps;
  return sum <= RING_SEQ_MAX ? sum : sum - RING_SEQ_MAX;
}
