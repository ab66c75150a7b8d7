import { openSync, readSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** How a loop of events fared: lateness of a timer of a millisecond. */
export interface LoopFigures {
  /** As seen from outside: what others had the processor for is in it. */
  readonly loopMaxMs: number;
  readonly loopP99Ms: number;
  /** Without the time for which this thread was ready and had no processor: what the program itself did. */
  readonly blockedMaxMs: number;
  readonly blockedP99Ms: number;
  /** The same without the pauses of the garbage collector. */
  readonly blockedMaxMsWithoutGc: number;
  /** The longest pause of the garbage collector, without the time that others had the processor, and how much of the time all had. */
  readonly gcMaxMs: number;
  readonly gcShare: number;
}

interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

interface Turn extends Span {
  /** The processor was somebody else's. */
  readonly waitedMs: number;
}

const RESOLUTION_MS = 1;
/** `timeOnCpuNs timeWaitingNs slices` of the thread that opened it. */
const SCHEDSTAT = '/proc/thread-self/schedstat';

/** Measures turns of this thread's loop between `start` and `stop`. */
export class LoopWatch {
  private readonly turns: Turn[] = [];
  private readonly pauses: Span[] = [];
  private readonly fd = openSync(SCHEDSTAT, 'r');
  private readonly line = Buffer.alloc(64);
  private timer: NodeJS.Timeout | null = null;
  private readonly observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      this.pauses.push({ startMs: startTime, endMs: startTime + duration });
  });

  start(): void {
    this.observer.observe({ entryTypes: ['gc'] });
    let startMs = performance.now();
    let waitedBefore = this.waitedMs();
    this.timer = setInterval(() => {
      const endMs = performance.now();
      const waited = this.waitedMs();
      this.turns.push({ startMs, endMs, waitedMs: waited - waitedBefore });
      startMs = endMs;
      waitedBefore = waited;
    }, RESOLUTION_MS);
  }

  async stop(): Promise<LoopFigures> {
    if (this.timer !== null) clearInterval(this.timer);
    await delay(20); // the last pauses are reported
    this.observer.disconnect();
    const late = this.turns.map(({ startMs, endMs }) => endMs - startMs - RESOLUTION_MS);
    const blocked = this.turns.map(({ waitedMs }, index) => late[index]! - waitedMs);
    const own = this.turns.map((turn, index) => blocked[index]! - this.pausedMs(turn));
    const pauses = this.turns.map((turn) => Math.min(this.pausedMs(turn), lengthMs(turn) - turn.waitedMs));
    const tookMs = this.turns.reduce((sum, turn) => sum + lengthMs(turn), 0);
    return {
      loopMaxMs: most(late),
      loopP99Ms: p99(late),
      blockedMaxMs: most(blocked),
      blockedP99Ms: p99(blocked),
      blockedMaxMsWithoutGc: most(own),
      gcMaxMs: most(pauses),
      gcShare: pauses.reduce((sum, ms) => sum + ms, 0) / Math.max(1, tookMs),
    };
  }

  /** Of the collector, within the turn. */
  private pausedMs(turn: Span): number {
    let sum = 0;
    for (const { startMs, endMs } of this.pauses)
      sum += Math.max(0, Math.min(endMs, turn.endMs) - Math.max(startMs, turn.startMs));
    return sum;
  }

  private waitedMs(): number {
    const count = readSync(this.fd, this.line, 0, this.line.length, 0);
    return Number(this.line.toString('latin1', 0, count).split(' ')[1]) / 1e6;
  }
}

const lengthMs = ({ startMs, endMs }: Span): number => endMs - startMs;
const most = (numbers: readonly number[]): number => numbers.reduce((a, b) => Math.max(a, b), 0);

function p99(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return Math.max(0, sorted[Math.floor(sorted.length * 0.99)] ?? 0);
}
