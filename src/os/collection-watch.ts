import { GCProfiler } from 'node:v8';
import type { Collections } from '../lib/collections.ts';

/** V8's names. */
const KINDS: ReadonlyMap<string, Collections['kind']> = new Map([
  ['Scavenge', 'minor'],
  ['MinorMarkCompact', 'minor'],
  ['MinorMarkSweep', 'minor'],
  ['MarkSweepCompact', 'major'],
  ['IncrementalMarking', 'incremental'],
  ['ProcessWeakCallbacks', 'weak_callbacks'],
]);
const US_PER_SECOND = 1e6;

/**
 * Counts what the collector does to the thread that made this, also to one that never returns to libuv, where a `PerformanceObserver` is never
 * called. V8 keeps a record of each run until `take`: call it now and then, or `stop`.
 */
export class CollectionWatch {
  private readonly totals = new Map<Collections['kind'], Collections>();
  private profiler: GCProfiler | null = null;

  start(): void {
    if (this.profiler !== null) return;
    this.profiler = new GCProfiler();
    this.profiler.start();
  }

  /** All since the first `start`, by kind. */
  take(): readonly Collections[] {
    if (this.profiler !== null) {
      this.stop();
      this.start();
    }
    return [...this.totals.values()];
  }

  stop(): void {
    const report = this.profiler?.stop();
    this.profiler = null;
    for (const { gcType, cost } of report?.statistics ?? []) {
      const kind = KINDS.get(gcType);
      if (kind !== undefined) this.add(kind, cost / US_PER_SECOND);
    }
  }

  private add(kind: Collections['kind'], seconds: number): void {
    const total = this.totals.get(kind);
    this.totals.set(kind, {
      kind,
      count: (total?.count ?? 0) + 1,
      seconds: (total?.seconds ?? 0) + seconds,
      longestSeconds: Math.max(total?.longestSeconds ?? 0, seconds),
    });
  }
}
