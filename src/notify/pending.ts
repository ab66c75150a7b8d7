import type { Notice } from './notice.ts';

/** Notices of one receiver that wait: enough for every node of a cluster to leave over two links. */
export const PENDING_MAX = 256;

/** Notices that wait for a receiver: the most urgent first, older ones first among equals. Full: the least urgent and newest goes. */
export class Pending {
  private readonly notices: Notice[] = [];
  /** How many found no room, from the beginning. */
  dropped = 0;

  constructor(private readonly most: number = PENDING_MAX) {}

  get length(): number {
    return this.notices.length;
  }

  add(notice: Notice): void {
    // Seldom more than a few wait, and most belong to the end.
    let at = this.notices.length;
    while (at > 0 && this.notices[at - 1]!.priority < notice.priority) at--;
    this.notices.splice(at, 0, notice);
    if (this.notices.length <= this.most) return;
    this.notices.pop();
    this.dropped += 1;
  }

  take(): Notice | undefined {
    return this.notices.shift();
  }

  clear(): void {
    this.notices.length = 0;
  }
}
