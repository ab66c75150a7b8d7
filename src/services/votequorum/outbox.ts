import type { EngineTimer, MainEngineContext } from '../engine.ts';

const RETRY_MS = 10;

/**
 * Messages that must not get lost. When the send queue is full they wait here, in order. (Stock drops them, which leaves
 * the nodes with different opinions.)
 */
export class Outbox {
  private readonly waiting: { readonly fn: number; readonly message: Uint8Array }[] = [];
  private timer: EngineTimer | null = null;

  constructor(private readonly context: MainEngineContext) {}

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  send(fn: number, message: Uint8Array): void {
    this.waiting.push({ fn, message });
    this.flush();
  }

  /** For requests that can be answered with "not now". */
  trySend(fn: number, message: Uint8Array): boolean {
    return this.flush() && this.context.mcast(fn, message);
  }

  /** Whether nothing waits any more. */
  flush(): boolean {
    for (let first = this.waiting[0]; first !== undefined; first = this.waiting[0]) {
      if (!this.context.mcast(first.fn, first.message)) {
        this.timer ??= this.context.setTimer(RETRY_MS, () => {
          this.timer = null;
          this.flush();
        });
        return false;
      }
      this.waiting.shift();
    }
    return true;
  }
}
