import type { LogFunction } from '../lib/log.ts';
import { collectHeap, giveBackConstants, trimMalloc } from '../os/give-back.ts';

/** By then the start is over, its last promises included. */
const AFTER_MS = 5_000;
const MIB = 1 << 20;

/** Gives the memory back that only the start needed, a few seconds after it: for a process that is the daemon and nothing else. */
export function giveStartBack(log: LogFunction): void {
  const timer = setTimeout(() => {
    const before = process.memoryUsage.rss();
    collectHeap();
    trimMalloc();
    giveBackConstants();
    const given = Math.max(0, before - process.memoryUsage.rss());
    log('debug', 'MAIN', `Gave back ${Math.round(given / MIB)} MiB of memory that the start needed`);
  }, AFTER_MS);
  timer.unref();
}
