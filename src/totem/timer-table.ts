/** Timers of the core as deadlines in one array (totem.md 3); the owner of the clock asks for the next one. */
export const Timer = {
  TOKEN: 0,
  TOKEN_WARNING: 1,
  TOKEN_RETRANSMIT: 2,
  HOLD: 3,
  JOIN: 4,
  CONSENSUS: 5,
  MERGE: 6,
  PAUSE: 7,
  HEARTBEAT: 8,
  /** A JOIN that waits for its random delay (`send_join`). */
  SEND_JOIN: 9,
  STATISTICS: 10,
  /** While a member is silent. */
  SUSPICION: 11,
  /** When the next member is asked whether it lives. */
  WATCH: 12,
  /** While the token waits here for messages that are about to come. */
  TOKEN_WAIT: 13,
} as const;
export type TimerValue = (typeof Timer)[keyof typeof Timer];
const TIMERS = 14;

export class TimerTable {
  private readonly deadlines = new Float64Array(TIMERS).fill(Number.POSITIVE_INFINITY);
  private earliest = Number.POSITIVE_INFINITY;
  private stale = false;

  /** `delayMs` counts from the clock's now: a delay is a small integer, a deadline would be boxed at every call. */
  constructor(private readonly clock: { readonly nowMs: number }) {}

  start(timer: TimerValue, delayMs: number): void {
    const deadlineMs = this.clock.nowMs + delayMs;
    const before = this.deadlines[timer]!;
    this.deadlines[timer] = deadlineMs;
    if (deadlineMs <= this.earliest) this.earliest = deadlineMs;
    else if (before === this.earliest) this.stale = true;
  }

  stop(timer: TimerValue): void {
    if (this.deadlines[timer] === this.earliest) this.stale = true;
    this.deadlines[timer] = Number.POSITIVE_INFINITY;
  }

  running(timer: TimerValue): boolean {
    return this.deadlines[timer] !== Number.POSITIVE_INFINITY;
  }

  /** Moves a running timer's deadline. */
  postpone(timer: TimerValue, byMs: number): void {
    if (this.running(timer)) this.start(timer, this.deadlines[timer]! + byMs - this.clock.nowMs);
  }

  deadline(timer: TimerValue): number {
    return this.deadlines[timer]!;
  }

  /** The earliest deadline, `Infinity` without any. */
  next(): number {
    if (this.stale) {
      let earliest = Number.POSITIVE_INFINITY;
      for (let i = 0; i < TIMERS; i++) earliest = Math.min(earliest, this.deadlines[i]!);
      this.earliest = earliest;
      this.stale = false;
    }
    return this.earliest;
  }

  /** Stops and returns the timer that is due first, or -1. */
  takeDue(): TimerValue | -1 {
    if (this.next() > this.clock.nowMs) return -1;
    for (let i = 0; i < TIMERS; i++) {
      if (this.deadlines[i] !== this.earliest) continue;
      this.stop(i as TimerValue);
      return i as TimerValue;
    }
    return -1;
  }
}
