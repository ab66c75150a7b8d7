import type { TotemConfig } from '../../config/totem-config.ts';
import { failureText } from '../../lib/failure.ts';
import type { LogFunction } from '../../lib/log.ts';
import { monotonicMs } from '../../os/clock.ts';
import { threadCpuMs } from '../../os/schedule.ts';
import { WarmUp } from './warm-up.ts';

/** Between two turns of the real loop, but for what a compilation takes that has begun: one to eight milliseconds. */
const SLICE_MS = 0.05;
/** The nodes of the warm-up wait for a timer. */
const IDLE_MS = 2;
/**
 * Who waits that long for the processor within a slice has it less often, and after some such slices no more: others need it, and the real ring should
 * not wait behind them.
 */
const CONTENDED_MS = 8;
const CONTENDED_SHARE = 2;
const CONTENDED_SLICES_MAX = 8;
/** One that waited so long was the last: beside others of real-time priority, or very many, the next one could cost the ring its token. */
const WAITED_MS_MAX = 100;
/** While messages come, they teach the compiler what the warm-up would, and nothing is to be in their way. */
const QUIET_MS = 2;
const REAL_MESSAGES_MAX = 2000;
/** Bounds: rounds, processor time, and time since the first slice. */
const ROUNDS_MAX = 4000;
const WORK_MS_MAX = 500;
const TIME_MS_MAX = 5000;

/** A slice has no right to keep others off the processor: it runs without real-time priority. */
export interface SlicePriority {
  lower(): void;
  raise(): void;
}

/** When the warm-up has its turns: between those of the loop, in place of sleep. */
export class WarmUpSlices {
  isOver = false;
  private warmUp: WarmUp | null = null;
  /** When the next slice is due, and when none is any more. */
  private nextMs = 0;
  private endMs = Number.POSITIVE_INFINITY;
  private messages = 0;
  private firstMessages = -1;
  private workMs = 0;
  private contended = 0;

  constructor(
    private readonly config: TotemConfig,
    private readonly log: LogFunction,
    private readonly priority: SlicePriority,
  ) {}

  /**
   * The loop could sleep for `sleepMs`. Runs a slice if one is due; how long it may sleep then.
   *
   * @param messages that the real ring has handled so far
   */
  practise(nowMs: number, sleepMs: number, messages: number): number {
    if (this.firstMessages < 0) this.begin(nowMs, messages);
    if (messages !== this.messages) {
      this.messages = messages;
      this.nextMs = Math.max(this.nextMs, nowMs + QUIET_MS);
    }
    const enough = this.enough(nowMs);
    if (enough !== null) this.end(enough);
    else if (nowMs < this.nextMs) return Math.min(sleepMs, this.nextMs - nowMs);
    else this.run(nowMs);
    return 0;
  }

  private begin(nowMs: number, messages: number): void {
    this.firstMessages = messages;
    this.messages = messages;
    this.endMs = nowMs + TIME_MS_MAX;
  }

  private enough(nowMs: number): string | null {
    if (this.messages - this.firstMessages > REAL_MESSAGES_MAX) return 'messages come';
    if (this.rounds >= ROUNDS_MAX) return 'all rounds';
    return nowMs >= this.endMs || this.workMs >= WORK_MS_MAX ? 'time is up' : null;
  }

  private run(nowMs: number): void {
    const cpuMs = threadCpuMs();
    let more = true;
    this.priority.lower();
    try {
      more = this.slice(nowMs);
    } catch (error) {
      this.end(failureText(error));
    } finally {
      this.priority.raise();
    }
    const afterMs = monotonicMs();
    const workMs = threadCpuMs() - cpuMs;
    const waitedMs = afterMs - nowMs - workMs;
    this.workMs += workMs;
    this.nextMs = more ? afterMs : afterMs + IDLE_MS;
    if (waitedMs < CONTENDED_MS) return;
    this.nextMs = afterMs + CONTENDED_SHARE * waitedMs;
    if (++this.contended === CONTENDED_SLICES_MAX || waitedMs >= WAITED_MS_MAX) this.end('others need the processor');
  }

  private slice(nowMs: number): boolean {
    this.warmUp ??= new WarmUp(this.config);
    let more = true;
    for (let now = nowMs; more && now < nowMs + SLICE_MS; now = monotonicMs()) more = this.warmUp.step(now);
    return more;
  }

  private get rounds(): number {
    return this.warmUp?.rounds ?? 0;
  }

  /** Gives back what it has; the loop does not ask again. */
  end(why: string): void {
    const { warmUp, rounds } = this;
    if (this.isOver) return;
    this.isOver = true;
    this.warmUp = null;
    let left = '';
    try {
      warmUp?.close();
    } catch (error) {
      left = `, and leaves something: ${failureText(error)}`; // no reason to end the real ring
    }
    const text = `The warm-up of the code is over (${why}): ${rounds} rounds in ${this.workMs.toFixed(0)} ms${left}`;
    this.log('debug', 'MAIN', text, 'warm-up');
  }
}
