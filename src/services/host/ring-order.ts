import { counted } from '../../lib/counted.ts';
import type { LogFunction } from '../../lib/log.ts';
import type { EngineTimer } from '../engine.ts';

/** A stock node that stands still for longer loses the token, with the token timeout that it has by default. */
export const HOLD_MS_MAX = 3_000;
/** What may wait meanwhile. */
export const HELD_BYTES_MAX = 4 << 20;
/** What one that waits takes besides its bytes, roughly. */
const OVERHEAD_BYTES = 200;

export interface RingOrderPorts {
  readonly log: LogFunction;
  setTimer(delayMs: number, callback: () => void): EngineTimer;
}

interface Hold {
  readonly what: string;
  readonly timer: EngineTimer;
}

interface Waiting {
  readonly action: () => void;
  readonly bytes: number;
}

/**
 * What the ring brings to the engines, in its order, and the way to say "not before this is done". Stock does the whole of a
 * message before it looks at the next one, also when that means to read files. What takes long here is done meanwhile, and
 * the ring and the clients go on; but the engines get what comes after it in the order of the ring afterwards:
 *
 *   reload ── hold ──► reads its file … ──► applied ── release ──►
 *                node info, membership, sync, reload: wait                  node info ► membership ► sync ► reload, which holds again
 *
 * Whatever hangs delays the others' messages, and with a change of the membership their sync, by `HOLD_MS_MAX` once.
 */
export class RingOrder {
  private readonly waiting: Waiting[] = [];
  private waitingBytes = 0;
  private held: Hold | null = null;
  /** Holds that have ended before what they waited for. While there are any, nothing is held: it would wait as long as they. */
  private overdue = 0;
  private handingOver = false;
  private ended = false;

  constructor(private readonly ports: RingOrderPorts) {}

  /** Whether what comes now has to wait. */
  get isHeld(): boolean {
    return this.held !== null || this.waiting.length > 0;
  }

  /** Does it when everything before it is done: mostly at once. `bytes`: what it keeps in memory until then. */
  run(action: () => void, bytes = 0): void {
    if (!this.isHeld) {
      action();
      return;
    }
    const entry: Waiting = { action, bytes: bytes + OVERHEAD_BYTES };
    this.waiting.push(entry);
    this.waitingBytes += entry.bytes;
    if (this.waitingBytes > HELD_BYTES_MAX) this.giveUp(`${counted(this.waiting.length, 'message')} wait for it`);
    this.handOver();
  }

  /** What comes from now on waits, until the returned function is called. `what`: for the log, if that takes too long. */
  hold(what: string): () => void {
    if (this.held !== null || this.overdue > 0 || this.ended) return () => {};
    const timer = this.ports.setTimer(HOLD_MS_MAX, () => {
      this.giveUp(`it has taken ${HOLD_MS_MAX / 1000} s so far`);
      this.handOver();
    });
    const hold: Hold = { what, timer };
    this.held = hold;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      if (this.held === hold) this.letGo(hold);
      else this.overdue--;
      this.handOver();
    };
  }

  /** Nothing is held any more: the engines are about to end. */
  end(): void {
    this.ended = true;
    if (this.held !== null) {
      this.letGo(this.held);
      this.overdue++;
    }
    this.handOver();
  }

  private giveUp(why: string): void {
    const { held } = this;
    if (held === null) return;
    this.letGo(held);
    this.overdue++;
    const text = `${held.what} is not done (${why}): what the ring brought after it is handled before it`;
    this.ports.log('warning', 'SERV', text, 'held too long');
  }

  private letGo(hold: Hold): void {
    hold.timer.cancel();
    this.held = null;
  }

  /** One of those that wait may hold again: the ones behind it stay. */
  private handOver(): void {
    if (this.handingOver) return;
    this.handingOver = true;
    const { waiting } = this;
    let done = 0;
    try {
      while (this.held === null && done < waiting.length) {
        const { action, bytes } = waiting[done++]!;
        this.waitingBytes -= bytes;
        action();
      }
    } finally {
      this.handingOver = false;
      waiting.splice(0, done);
    }
  }
}
