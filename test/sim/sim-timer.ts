import type { EngineTimer } from '../../src/services/engine.ts';

/** A timer of a service, over a clock that forgets nothing that it was given. */
export function simTimer(
  after: (delayMs: number, callback: () => void) => void,
  delayMs: number,
  callback: () => void,
): EngineTimer {
  let cancelled = false;
  after(delayMs, () => {
    if (!cancelled) callback();
  });
  return {
    cancel: () => {
      cancelled = true;
    },
  };
}
