import type { TotemConfig } from '../../config/totem-config.ts';
import { failureText } from '../../lib/failure.ts';
import type { LogFunction } from '../../lib/log.ts';
import { type Machine, THIS_MACHINE } from './machine.ts';
import { Traffic } from './traffic.ts';
import { WarmUp } from './warm-up.ts';

/** Between two turns of the real loop, but for what a compilation takes that has begun: one to eight milliseconds. */
const SLICE_MS = 0.05;
/** The nodes of the warm-up wait for a timer. */
const IDLE_MS = 2;
/**
 * Slices have the thread's priority, which may be a real-time one: others that have none would wait for them. So after as much work as this the thread
 * sleeps: for a share of what that took, and for twice as long where others want all processors.
 */
const SPELL_MS = 1;
const REST_SHARE = { free: 0.25, crowded: 2 } as const;
/**
 * Who waits that long for the processor within a slice all the same (others have real-time priority as well, or nobody has) has it less often, and after
 * some such slices no more: the real ring should not wait behind them.
 */
const CONTENDED_MS = 8;
const CONTENDED_SHARE = 2;
const CONTENDED_SLICES_MAX = 8;
/** One that waited so long was the last: the next one could cost the ring its token. */
const WAITED_MS_MAX = 100;
/** Bounds: rounds, processor time, and time since the first slice. */
const ROUNDS_MAX = 4000;
const WORK_MS_MAX = 500;
const TIME_MS_MAX = 5000;

/** What is practised. */
export interface Practice {
  readonly rounds: number;
  /** `false`: nothing can be done until a timer is due. */
  step(nowMs: number): boolean;
  close(): void;
}

/** When the warm-up has its turns: between those of the loop, in place of sleep. */
export class WarmUpSlices {
  isOver = false;
  private practice: Practice | null = null;
  private readonly traffic: Traffic;
  /** When the next slice is due, and when none is any more. */
  private nextMs = 0;
  private endMs = Number.NEGATIVE_INFINITY;
  private workMs = 0;
  /** Since the last pause. */
  private spellMs = 0;
  private contended = 0;

  constructor(
    private readonly config: TotemConfig,
    private readonly log: LogFunction,
    private readonly machine: Machine = THIS_MACHINE,
    private readonly begin: (config: TotemConfig) => Practice = (settings) => new WarmUp(settings),
  ) {
    this.traffic = new Traffic(machine);
  }

  /**
   * The loop could sleep for `sleepMs`. Runs a slice if one is due; how long it may sleep then.
   *
   * @param messages that the real ring has handled so far
   */
  practise(nowMs: number, sleepMs: number, messages: number): number {
    this.look(nowMs, messages);
    if (this.isOver) return 0;
    const dueMs = Math.max(this.nextMs, this.traffic.quietMs);
    if (nowMs < dueMs) return Math.min(sleepMs, dueMs - nowMs);
    this.run(nowMs);
    return 0;
  }

  /** Now and then, of a loop that does not come to sleep. */
  look(nowMs: number, messages: number): void {
    if (this.isOver) return;
    if (this.endMs < 0) this.endMs = nowMs + TIME_MS_MAX;
    this.traffic.look(nowMs, messages);
    const enough = this.enough(nowMs);
    if (enough !== null) this.end(enough);
  }

  private enough(nowMs: number): string | null {
    if (this.traffic.isMuch) return 'messages come';
    if (this.rounds >= ROUNDS_MAX) return 'all rounds';
    return nowMs >= this.endMs || this.workMs >= WORK_MS_MAX ? 'time is up' : null;
  }

  private run(nowMs: number): void {
    const { machine } = this;
    const cpuMs = machine.threadCpuMs();
    let more = true;
    try {
      more = this.slice(nowMs);
    } catch (error) {
      this.end(failureText(error));
    }
    const afterMs = machine.nowMs();
    const workMs = machine.threadCpuMs() - cpuMs;
    const waitedMs = afterMs - nowMs - workMs;
    this.traffic.practised(afterMs);
    this.workMs += workMs;
    this.nextMs = afterMs + Math.max(more ? 0 : IDLE_MS, this.restMs(workMs));
    if (waitedMs < CONTENDED_MS) return;
    this.nextMs = afterMs + CONTENDED_SHARE * waitedMs;
    if (++this.contended === CONTENDED_SLICES_MAX || waitedMs >= WAITED_MS_MAX) this.end('others need the processor');
  }

  private restMs(workMs: number): number {
    this.spellMs += workMs;
    if (this.spellMs < SPELL_MS) return 0;
    const share = this.machine.hasFreeProcessor() ? REST_SHARE.free : REST_SHARE.crowded;
    const restMs = share * this.spellMs;
    this.spellMs = 0;
    return restMs;
  }

  private slice(nowMs: number): boolean {
    const { practice } = this;
    if (practice === null) {
      this.practice = this.begin(this.config);
      return true;
    }
    let more = true;
    for (let now = nowMs; more && now < nowMs + SLICE_MS; now = this.machine.nowMs()) more = practice.step(now);
    return more;
  }

  private get rounds(): number {
    return this.practice?.rounds ?? 0;
  }

  /** Gives back what it has; the loop does not ask again. */
  end(why: string): void {
    const { practice, rounds } = this;
    if (this.isOver) return;
    this.isOver = true;
    this.practice = null;
    this.traffic.end();
    let left = '';
    try {
      practice?.close();
    } catch (error) {
      left = `, and leaves something: ${failureText(error)}`; // no reason to end the real ring
    }
    const text = `The warm-up of the code is over (${why}): ${rounds} rounds in ${this.workMs.toFixed(0)} ms${left}`;
    this.log('debug', 'MAIN', text, 'warm-up');
  }
}
