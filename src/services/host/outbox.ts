import { assert } from '../../lib/assert.ts';
import type { EngineTimer } from '../engine.ts';

const RETRY_MS = 10;
/** An engine that is so many messages behind its ring is broken: what it sends is bounded by the requests that are let in. */
const WAITING_MAX = 65_536;

export interface OutboxPorts {
  /** `false`: no room now, nothing was sent. */
  mcast(fn: number, message: Uint8Array): boolean;
  setTimer(delayMs: number, callback: () => void): EngineTimer;
}

/**
 * The messages of one engine on their way to the ring. When the send queue is full they wait here, in order, and nothing
 * overtakes them. (Stock drops some of them, which leaves the nodes with different opinions.)
 */
export class Outbox {
  private readonly waiting: { readonly fn: number; readonly message: Uint8Array }[] = [];
  private timer: EngineTimer | null = null;

  constructor(private readonly ports: OutboxPorts) {}

  /** Copies nothing: the message belongs to the outbox from now on. */
  send(fn: number, message: Uint8Array): void {
    if (this.trySend(fn, message)) return;
    assert(this.waiting.length < WAITING_MAX, 'messages of an engine that wait for the ring');
    this.waiting.push({ fn, message });
    this.retryLater();
  }

  /** `false`: something waits, or there is no room; nothing was sent. */
  trySend(fn: number, message: Uint8Array): boolean {
    return this.flush() && this.ports.mcast(fn, message);
  }

  /** Whether nothing waits any more. */
  flush(): boolean {
    for (let first = this.waiting[0]; first !== undefined; first = this.waiting[0]) {
      if (!this.ports.mcast(first.fn, first.message)) {
        this.retryLater();
        return false;
      }
      this.waiting.shift();
    }
    return true;
  }

  private retryLater(): void {
    this.timer ??= this.ports.setTimer(RETRY_MS, () => {
      this.timer = null;
      this.flush();
    });
  }
}
