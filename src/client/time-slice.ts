/**
 * A loop of `await`s that are all fulfilled at once runs in microtasks only: no timer and no socket gets its turn. What this
 * library fulfils at once it therefore does for a slice of time, then once by way of the event loop. One slice for the whole
 * thread, because all connections share the loop.
 */
const SLICE_MS = 2;

let startedMs = -1;
let turn: Promise<void> | null = null;

/** `null`: go on at once. Else a promise of the next turn of the event loop. */
export function nextTurnIfDue(): Promise<void> | null {
  if (turn !== null) return turn;
  const now = performance.now();
  if (startedMs < 0) {
    startedMs = now;
    setImmediate(() => {
      startedMs = -1;
    });
    return null;
  }
  if (now - startedMs < SLICE_MS) return null;
  turn = new Promise((resolve) => {
    setImmediate(() => {
      turn = null;
      startedMs = -1;
      resolve();
    });
  });
  return turn;
}
