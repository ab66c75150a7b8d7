import type { LogFunction } from '../lib/log.ts';
import { GrownHeap, giveBackConstants } from '../os/give-back.ts';
import { optimizeSooner } from '../os/optimizer.ts';
import { QuietMemory } from './quiet-memory.ts';

/** By then the start is over, its last promises included. */
const AFTER_MS = 5_000;
const MIB = 1 << 20;

/**
 * Ends the start: gives memory of the main thread back: what only the start needed, a few seconds after it, and what clients that are gone have left, whenever
 * the thread is quiet. For a process that is the daemon and nothing else.
 */
export function giveMemoryBack(log: LogFunction): void {
  const heap = new GrownHeap();
  const timer = setTimeout(() => {
    const before = process.memoryUsage.rss();
    optimizeSooner();
    heap.collect();
    giveBackConstants();
    const given = Math.max(0, before - process.memoryUsage.rss());
    log('debug', 'MAIN', `Gave back ${Math.round(given / MIB)} MiB of memory that the start needed`);
    new QuietMemory(heap).start();
  }, AFTER_MS);
  timer.unref();
}
