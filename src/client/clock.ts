/** Time as the building blocks on top of the client use it; a test cluster has its own. */
export interface Clock {
  nowMs(): number;
  setTimer(delayMs: number, callback: () => void): { cancel(): void };
}

/** How tests put a clock of their own below: an option under this key, which the package does not export. */
export const CLOCK: unique symbol = Symbol('rondo.clock');

export interface ClockHook {
  readonly [CLOCK]?: Clock;
}
