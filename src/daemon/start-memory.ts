import type { LogFunction } from '../lib/log.ts';
import { GrownHeap, giveBackConstants } from '../os/give-back.ts';
import { optimizeSooner } from '../os/optimizer.ts';
import { QuietMemory } from './quiet-memory.ts';

/** By then the start is over, its last promises included. */
const AFTER_MS = 5_000;
const MIB = 1 << 20;
/** In a larger one a rotation of the token takes milliseconds, so that what each takes of it seldom runs. In a smaller one a load makes better code of it. */
const NODES_OF_SMALL_RING = 16;

/**
 * Ends the start, in a ring of so many nodes: gives memory of the main thread back: what only the start needed, a few seconds after it, and what clients that are gone have left, whenever
 * the thread is quiet. For a process that is the daemon and nothing else.
 */
export function giveMemoryBack(log: LogFunction, nodes: number): void {
  const heap = new GrownHeap();
  const timer = setTimeout(() => {
    const before = process.memoryUsage.rss();
    if (nodes > NODES_OF_SMALL_RING) optimizeSooner();
    heap.collect();
    giveBackConstants();
    const given = Math.max(0, before - process.memoryUsage.rss());
    log('debug', 'MAIN', `Gave back ${Math.round(given / MIB)} MiB of memory that the start needed`);
    new QuietMemory(heap).start();
  }, AFTER_MS);
  timer.unref();
}
