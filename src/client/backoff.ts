import { onAbort } from './abort.ts';
import type { Clock } from './clock.ts';

/** How a lost connection is made again: after `minMs`, then twice as long each time up to `maxMs`, each with half of it by chance. */
export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

export const BACKOFF_DEFAULT: Backoff = { minMs: 100, maxMs: 5_000 };

export interface TryAgainOptions {
  readonly backoff: Backoff;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Whether the pauses keep the process alive. Default: they do. */
  readonly keepsAlive?: () => boolean;
}

/** Calls `attempt` with 1, 2, … until one succeeds, each time after a pause. `null`: the signal fired. */
export async function tryAgain<T>(
  attempt: (number: number) => Promise<T>,
  { backoff, clock, signal, keepsAlive }: TryAgainOptions,
): Promise<T | null> {
  let delayMs = backoff.minMs;
  for (let number = 1; !signal.aborted; number++) {
    await timer(clock, delayMs * (0.5 + Math.random() / 2), signal, keepsAlive?.() ?? true);
    if (signal.aborted) break;
    try {
      return await attempt(number);
    } catch {
      // It is tried again.
    }
    delayMs = Math.min(2 * delayMs, backoff.maxMs);
  }
  return null;
}

/** Resolves when the time is over, or the signal fires. */
function timer(clock: Clock, ms: number, signal: AbortSignal, keepsAlive: boolean): Promise<void> {
  return new Promise((resolve) => {
    const running = clock.setTimer(ms, () => {
      forget();
      resolve();
    });
    if (!keepsAlive) running.unref?.();
    const forget = onAbort(signal, () => {
      running.cancel();
      resolve();
    });
  });
}
