/** Time as the building blocks on top of the client use it; a test cluster has its own. */
export interface Clock {
  nowMs(): number;
  setTimer(delayMs: number, callback: () => void): ClockTimer;
}

export interface ClockTimer {
  cancel(): void;
  /** From now on it does not keep the process alive. Left out: it never does. */
  unref?(): void;
}

/** How tests put a clock of their own below: an option under this key, which the package does not export. */
export const CLOCK: unique symbol = Symbol('rondo.clock');

export interface ClockHook {
  readonly [CLOCK]?: Clock;
}

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer), unref: () => void timer.unref() };
  },
};

export const clockOf = (options: object & ClockHook): Clock => options[CLOCK] ?? SYSTEM_CLOCK;
