import { getHeapStatistics } from 'node:v8';
import type { RingHeap } from '../bridge/messages.ts';
import type { Collections } from '../lib/collections.ts';
import { CollectionWatch } from '../os/collection-watch.ts';
import type { MemoryView } from '../web/view.ts';

/** The ring thread is asked by a record: not more often than this. */
const RING_HEAP_MS = 5_000;
/** … and not less often: V8 keeps what is to be asked for. */
const RING_HEAP_MS_MAX = 60_000;
const NOTHING: RingHeap = { usedBytes: 0, collections: [] };

/** What this process has in memory, and what collecting it costs; that of the ring thread as last heard. */
export class MemoryWatch {
  private readonly collections = new CollectionWatch();
  private ring = NOTHING;
  private askedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly askRing: () => Promise<RingHeap>) {}

  start(): void {
    this.collections.start();
  }

  stop(): void {
    this.collections.stop();
  }

  view(): MemoryView {
    this.refresh(RING_HEAP_MS);
    const { used_heap_size, total_heap_size } = getHeapStatistics();
    const { user, system } = process.cpuUsage();
    const { usedBytes, collections } = this.ring;
    return {
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
      heaps: [
        { thread: 'main', usedBytes: used_heap_size, sizeBytes: total_heap_size },
        { thread: 'ring', usedBytes, sizeBytes: 0 },
      ],
      collections: [...of('main', this.collections.take()), ...of('ring', collections)],
    };
  }

  /** To be called now and then, also when nobody looks. */
  tend(): void {
    if (this.refresh(RING_HEAP_MS_MAX)) this.collections.take();
  }

  private refresh(everyMs: number): boolean {
    const nowMs = performance.now();
    if (nowMs - this.askedMs < everyMs) return false;
    this.askedMs = nowMs;
    this.askRing().then(
      (heap) => {
        this.ring = heap;
      },
      () => {}, // the ring thread is ending
    );
    return true;
  }
}

const of = (thread: string, collections: readonly Collections[]): MemoryView['collections'] =>
  collections.map((one) => ({ thread, ...one }));
