import { onAbort } from './abort.ts';
import { LentMemory } from './lent-memory.ts';
import type { Session } from './session.ts';
import { nextTurnIfDue } from './time-slice.ts';

/** Room is looked for so often while nothing says that there might be some. */
const PAUSE_MS = 1;

interface Queued {
  readonly data: Uint8Array;
  readonly signal: AbortSignal | undefined;
  readonly enqueuedMs: number;
  /** Of a message that its caller gave up. */
  givenUp: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** How one message leaves: at once, or in pieces that each have a response. */
export interface MessageOutput {
  /** `false`: no room now. */
  post(data: Uint8Array): boolean;
  fitsAtOnce(data: Uint8Array): boolean;
  sendInPieces(data: Uint8Array, signal: AbortSignal | undefined): Promise<void>;
}

/**
 * Messages that could not leave at once, in the order of their calls. One that is given up before its turn is never sent; one
 * that finds no room for the session's time limit is refused, and with it those that have waited as long.
 */
export class MessageQueue {
  private readonly queue: Queued[] = [];
  private progressMs = 0;
  private idle: Promise<void> | null = null;
  private endPause: (() => void) | null = null;
  /** Of the copies that wait: those of before, whose pages are there already. */
  private readonly memory = new LentMemory();

  constructor(
    private readonly session: Pick<Session, 'timeoutMs' | 'late'>,
    private readonly output: MessageOutput,
  ) {}

  get busy(): boolean {
    return this.idle !== null;
  }

  /** Resolves when nothing waits any more. */
  drained(): Promise<void> {
    return this.idle ?? Promise.resolve();
  }

  /** There may be room: the queue looks before its pause is over. A daemon does not report room, but what comes from it shows that it is at work. */
  wake(): void {
    this.endPause?.();
  }

  /** As `add`, with a copy of `data`, which the caller may use again at once. */
  addCopy(data: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    return this.add(this.memory.copy(data), signal);
  }

  /** `data` belongs to the queue. The signal has not fired. */
  add(data: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const forget =
        signal === undefined
          ? () => {}
          : onAbort(signal, () => {
              item.givenUp = true;
              reject(signal.reason);
            });
      const item: Queued = {
        data,
        signal,
        enqueuedMs: performance.now(),
        givenUp: false,
        resolve: () => {
          forget();
          resolve();
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      };
      this.queue.push(item);
    });
    this.idle ??= this.run();
    return promise;
  }

  private async run(): Promise<void> {
    await null; // `idle` is set
    for (let item = this.queue[0]; item !== undefined; item = this.queue[0]) {
      try {
        if (!item.givenUp) await this.send(item);
        item.resolve();
      } catch (error) {
        item.reject(error);
      }
      this.queue.shift();
      this.memory.giveBack(item.data.buffer);
      // A daemon that takes them as fast as they come would keep this loop in one turn.
      const turn = nextTurnIfDue();
      if (turn !== null) await turn;
    }
    this.idle = null;
  }

  private async send(item: Queued): Promise<void> {
    if (!this.output.fitsAtOnce(item.data)) {
      await this.output.sendInPieces(item.data, item.signal);
    } else {
      while (!item.givenUp && !this.output.post(item.data)) {
        const sinceMs = Math.max(this.progressMs, item.enqueuedMs);
        if (performance.now() - sinceMs > this.session.timeoutMs) throw this.session.late();
        await this.pause();
      }
    }
    this.progressMs = performance.now();
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.endPause?.(), PAUSE_MS);
      this.endPause = () => {
        clearTimeout(timer);
        this.endPause = null;
        resolve();
      };
    });
  }
}
