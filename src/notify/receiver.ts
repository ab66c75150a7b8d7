import { counted } from '../lib/counted.ts';
import { failureText } from '../lib/failure.ts';
import type { Notice } from './notice.ts';
import { PENDING_MAX, Pending } from './pending.ts';

/** One who gets notices. */
export interface NoticeReceiver {
  /** The target as it was given. */
  readonly name: string;
  notify(notice: Notice): void;
  /** Ends what is under way; what waits is given up. */
  close(): void;
}

/** How a notice gets to a receiver; rejects when it did not, for good. */
export interface Delivery {
  deliver(notice: Notice, dropped: number, signal: AbortSignal): Promise<void>;
  close?(): void;
}

/** Reports a trouble of a receiver; whoever gets it throttles. */
export type Complain = (text: string) => void;

/**
 * Delivers one after the other, the most urgent of those that wait first. A slow or dead receiver costs its own bounded queue, and holds
 * up nobody else.
 */
export class QueuedReceiver implements NoticeReceiver {
  private readonly pending: Pending;
  private readonly abort = new AbortController();
  private running = false;

  constructor(
    readonly name: string,
    private readonly delivery: Delivery,
    private readonly complain: Complain,
    most: number = PENDING_MAX,
  ) {
    this.pending = new Pending(most);
  }

  notify(notice: Notice): void {
    const { dropped } = this.pending;
    this.pending.add(notice);
    if (this.pending.dropped > dropped)
      this.complain(`it is too slow: ${counted(this.pending.dropped, 'notice')} of the lowest priority dropped so far`);
    if (!this.running) void this.run();
  }

  close(): void {
    this.abort.abort();
    this.pending.clear();
    this.delivery.close?.();
  }

  private async run(): Promise<void> {
    this.running = true;
    const { signal } = this.abort;
    for (let notice = this.pending.take(); notice !== undefined; notice = this.pending.take()) {
      try {
        await this.delivery.deliver(notice, this.pending.dropped, signal);
      } catch (error) {
        if (!signal.aborted) this.complain(`${notice.name} (${notice.id}) was not delivered: ${failureText(error)}`);
      }
    }
    this.running = false;
  }
}
