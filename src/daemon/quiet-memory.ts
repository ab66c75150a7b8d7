import { performance } from 'node:perf_hooks';
import type { GrownHeap } from '../os/give-back.ts';
import { endMemoryReducer } from '../os/optimizer.ts';
import { ticks } from './ticks.ts';

/** How often the heap is looked at: what V8 remembers of a load, and a second. */
const LOOK_MS = 6_000;
/** The share of that time in which the thread may have worked: a collection of 10 ms is in nobody's way then. */
const BUSY_MAX = 0.05;
/** After so many looks what the start has left is collected, by V8 itself, too. */
const LOOKS_OF_START = 5;

/**
 * Collects the heap of the main thread when that has had little to do and has grown. What a connection leaves is small, and V8 would let many
 * thousands of them pass before it collects them: the memory of a daemon would say how long ago that was.
 */
export class QuietMemory {
  private last = performance.eventLoopUtilization();
  private looks = 0;

  constructor(private readonly heap: Pick<GrownHeap, 'collectIfGrown'>) {}

  start(): void {
    ticks.every(LOOK_MS, () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, this.last);
      this.last = now;
      if (++this.looks === LOOKS_OF_START) endMemoryReducer();
      this.look(utilization);
    });
  }

  /** @param busy share of the time since the last look in which the thread worked */
  look(busy: number): void {
    if (busy <= BUSY_MAX) this.heap.collectIfGrown();
  }
}
