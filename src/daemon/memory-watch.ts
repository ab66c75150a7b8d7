import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { MemoryView } from '../web/view.ts';

const KINDS: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weak_callbacks'],
]);
/** The ring thread is asked by a record: not more often than this. */
const RING_HEAP_MS = 5_000;

/** What this process has in memory, and what collecting it costs; that of the ring thread as last heard. */
export class MemoryWatch {
  private readonly spent = new Map([...KINDS.values()].map((kind) => [kind, { count: 0, seconds: 0 }]));
  private readonly observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) this.collected('detail' in entry ? entry.detail : null, entry.duration);
  });
  private ringBytes = 0;
  private askedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly askRing: () => Promise<unknown>) {}

  start(): void {
    this.observer.observe({ entryTypes: ['gc'] });
  }

  stop(): void {
    this.observer.disconnect();
  }

  view(): MemoryView {
    this.refresh(performance.now());
    const { used_heap_size, total_heap_size } = getHeapStatistics();
    const { user, system } = process.cpuUsage();
    return {
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
      heaps: [
        { thread: 'main', usedBytes: used_heap_size, sizeBytes: total_heap_size },
        { thread: 'ring', usedBytes: this.ringBytes, sizeBytes: 0 },
      ],
      collections: [...this.spent].map(([kind, { count, seconds }]) => ({ kind, count, seconds })),
    };
  }

  private collected(detail: unknown, ms: number): void {
    const kind =
      typeof detail === 'object' && detail !== null && 'kind' in detail ? KINDS.get(Number(detail.kind)) : '';
    const entry = this.spent.get(kind ?? '');
    if (entry === undefined) return;
    entry.count++;
    entry.seconds += ms / 1000;
  }

  private refresh(nowMs: number): void {
    if (nowMs - this.askedMs < RING_HEAP_MS) return;
    this.askedMs = nowMs;
    this.askRing().then(
      (bytes) => {
        this.ringBytes = typeof bytes === 'number' ? bytes : 0;
      },
      () => {}, // the ring thread is ending
    );
  }
}
