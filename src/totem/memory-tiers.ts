import type { FramePool } from './frame-pool.ts';

/**
 * Who may use how much of the frame pool: each user leaves some pages to those above it, so that a shortage first slows
 * the applications and last stops the ring. What finds no room is refused (sending) or treated as lost (receiving). Half of
 * the pool is never the applications': it is for what the ring has under way.
 *
 *   copies for re-sending in recovery │ recovered messages │ next in order │ other messages │ synchronisation │ applications
 */
export class MemoryTiers {
  readonly recovered = 1;
  readonly nextInOrder: number;
  readonly received: number;
  readonly synchronization: number;
  readonly applications: number;

  constructor(pool: FramePool) {
    const pages = pool.pages;
    this.nextInOrder = 2 + Math.trunc(pages / 16);
    this.received = 2 + Math.trunc(pages / 8);
    this.synchronization = 2 + Math.trunc(pages / 8);
    this.applications = 2 + Math.trunc(pages / 2);
  }
}
