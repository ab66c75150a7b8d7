import { type Arena, PAGE_BYTES } from '../os/arena.ts';
import { GrownHeap, giveBack } from '../os/give-back.ts';
import { FRAME_PAGE_BYTES, type FramePool } from '../totem/index.ts';
import type { StatCounter } from '../transport/transport.ts';

/** How often frames are looked at, before a sleep only: a busy loop keeps what it has. */
const LOOK_MS = 1_000;
/** Pages of frames given back at a look: 17 MB, in about 4 ms. */
const PAGES_PER_LOOK = 256;
/** The heap is collected when there was no message for this long: the loop never returns to libuv, where V8 would do it by itself. */
const QUIET_MS = 5_000;

/** Gives memory of the ring thread back that was used under load and is not any more. Called before a sleep. */
export class Reclaim {
  private readonly heap = new GrownHeap();
  private readonly pages = new Int32Array(PAGES_PER_LOOK);
  private lookMs = Number.NEGATIVE_INFINITY;
  private supported = true;
  private quietSinceMs = Number.NEGATIVE_INFINITY;
  /** None yet: the first look is the beginning of the quiet. */
  private messages = -1;

  constructor(
    private readonly arena: Arena,
    private readonly pool: FramePool,
    /** Bytes given back so far. */
    private readonly given: StatCounter,
  ) {}

  /** @param messages that the ring has handled so far */
  beforeSleep(nowMs: number, messages: number): void {
    if (nowMs < this.lookMs) return;
    this.lookMs = nowMs + LOOK_MS;
    if (this.supported) this.giveFrames();
    if (messages !== this.messages) {
      this.messages = messages;
      this.quietSinceMs = nowMs;
    } else if (nowMs - this.quietSinceMs >= QUIET_MS) {
      const again = this.heap.collectIfGrown();
      this.quietSinceMs = again ? nowMs + LOOK_MS : Number.POSITIVE_INFINITY; // until the next message
    }
  }

  private giveFrames(): void {
    const count = this.pool.takeCold(this.pages);
    for (let i = 0; i < count; i++) {
      const start = Math.ceil(this.pages[i]! / PAGE_BYTES) * PAGE_BYTES;
      const bytes = Math.floor((this.pages[i]! + FRAME_PAGE_BYTES - start) / PAGE_BYTES) * PAGE_BYTES;
      if (giveBack(this.arena.address + start, bytes) < 0) {
        this.supported = false;
        return;
      }
      this.given.values[this.given.slot]! += bytes;
    }
  }
}
