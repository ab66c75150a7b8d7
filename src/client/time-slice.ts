import { TurnShare } from '../lib/turn-share.ts';

/**
 * A loop of `await`s that are all fulfilled at once runs in microtasks only: no timer and no socket gets its turn. What this
 * library fulfils at once it therefore does for a slice of time, then once by way of the event loop. One slice for the whole
 * thread, because all connections share the loop.
 */
const SLICE_MS = 1;
const slice = new TurnShare(SLICE_MS);
let turn: Promise<void> | null = null;

/** `null`: go on at once. Else a promise of the next turn of the event loop. */
export function nextTurnIfDue(): Promise<void> | null {
  if (turn !== null) return turn;
  if (!slice.isOver()) return null;
  turn = new Promise((resolve) => {
    slice.later(() => {
      turn = null;
      resolve();
    });
  });
  return turn;
}
