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
/** Share of a period that what is done again and again may come early. */
export const LOOSE_SHARE = 1 / 4;

export class TimerTable {
  private readonly deadlines = new Float64Array(TIMERS).fill(Number.POSITIVE_INFINITY);
  /** From when on each may run, if its owner is awake anyway. */
  private readonly ripe = new Float64Array(TIMERS).fill(Number.POSITIVE_INFINITY);
  private earliest = Number.POSITIVE_INFINITY;
  private ripest = Number.POSITIVE_INFINITY;
  private stale = false;

  /** `delayMs` counts from the clock's now: a delay is a small integer, a deadline would be boxed at every call. */
  constructor(private readonly clock: { readonly nowMs: number }) {}

  start(timer: TimerValue, delayMs: number): void {
    this.startLoose(timer, delayMs, 0);
  }

  /** One that may run up to `earlyMs` before its time when its owner is awake for something else: that saves waking up for it. */
  startLoose(timer: TimerValue, delayMs: number, earlyMs: number): void {
    const deadlineMs = this.clock.nowMs + delayMs;
    const ripeMs = deadlineMs - earlyMs;
    if (this.deadlines[timer] === this.earliest || this.ripe[timer] === this.ripest) this.stale = true;
    this.deadlines[timer] = deadlineMs;
    this.ripe[timer] = ripeMs;
    if (deadlineMs < this.earliest) this.earliest = deadlineMs;
    if (ripeMs < this.ripest) this.ripest = ripeMs;
  }

  stop(timer: TimerValue): void {
    if (this.deadlines[timer] === this.earliest || this.ripe[timer] === this.ripest) this.stale = true;
    this.deadlines[timer] = Number.POSITIVE_INFINITY;
    this.ripe[timer] = Number.POSITIVE_INFINITY;
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
    if (this.stale) this.find();
    return this.earliest;
  }

  /** From when on `takeDue` has one; not later than `next`. */
  nextRipe(): number {
    if (this.stale) this.find();
    return this.ripest;
  }

  private find(): void {
    let earliest = Number.POSITIVE_INFINITY;
    let ripest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TIMERS; i++) {
      earliest = Math.min(earliest, this.deadlines[i]!);
      ripest = Math.min(ripest, this.ripe[i]!);
    }
    this.earliest = earliest;
    this.ripest = ripest;
    this.stale = false;
  }

  /** Stops and returns the timer that is due first of those that may run now, or -1. */
  takeDue(): TimerValue | -1 {
    const { nowMs } = this.clock;
    if (this.nextRipe() > nowMs) return -1;
    let due = -1;
    for (let i = 0; i < TIMERS; i++) {
      if (this.ripe[i]! <= nowMs && (due < 0 || this.deadlines[i]! < this.deadlines[due]!)) due = i;
    }
    this.stop(due as TimerValue);
    return due as TimerValue;
  }
}
