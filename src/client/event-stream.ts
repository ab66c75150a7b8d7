/**
 * Events on their way from the connection to a `for await` loop:
 *
 *   push() → | oldest … newest | → next()
 *            '-- weight ≥ high: onFull() --- weight ≤ high / 2: onDrained()
 *
 * Nothing is ever dropped: a full stream asks its connection to stop reading, and what is not read waits in the daemon.
 * A stream has one reader. It ends after `end()`, and fails after `fail()`, once everything before was read.
 */
export interface StreamHooks {
  onFull(): void;
  onDrained(): void;
  /** The reader left the loop or called `return()`. */
  onReturn(): void;
}

const NO_HOOKS: StreamHooks = { onFull() {}, onDrained() {}, onReturn() {} };

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

export class EventStream<T> implements AsyncIterableIterator<T> {
  private queue: { readonly item: T; readonly weight: number }[] = [];
  private head = 0;
  private weight = 0;
  private full = false;
  private waiter: Waiter<T> | null = null;
  private finished = false;
  private error: Error | null = null;

  constructor(
    private readonly highWeight: number,
    private readonly hooks: StreamHooks = NO_HOOKS,
  ) {}

  /** Whether the stream takes no more events: ended, failed or left by its reader. */
  get done(): boolean {
    return this.finished;
  }

  push(item: T, weight = 1): void {
    if (this.finished) return;
    if (this.waiter !== null) {
      const { resolve } = this.waiter;
      this.waiter = null;
      resolve({ done: false, value: item });
      return;
    }
    this.queue.push({ item, weight });
    this.weight += weight;
    if (!this.full && this.weight >= this.highWeight) {
      this.full = true;
      this.hooks.onFull();
    }
  }

  end(): void {
    this.finish(null);
  }

  fail(error: Error): void {
    this.finish(error);
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    const entry = this.take();
    if (entry !== null) return { done: false, value: entry };
    if (this.error !== null) {
      const error = this.error;
      this.error = null;
      throw error;
    }
    if (this.finished) return { done: true, value: undefined };
    if (this.waiter !== null) throw new Error('this stream of events is being read already: it has one reader');
    return new Promise((resolve, reject) => {
      this.waiter = { resolve, reject };
    });
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    if (!this.finished) {
      this.finish(null);
      this.hooks.onReturn();
    }
    this.queue = [];
    this.head = 0;
    this.weight = 0;
    this.drained();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * The same stream for a loop that ends when the signal fires. Nothing is lost then: what was not read stays in the
   * stream, and leaving the loop does not end it.
   */
  until(signal: AbortSignal): AsyncIterableIterator<T> {
    const iterator: AsyncIterableIterator<T> = {
      next: () => this.nextUntil(signal),
      return: () => Promise.resolve({ done: true, value: undefined }),
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  private nextUntil(signal: AbortSignal): Promise<IteratorResult<T, undefined>> {
    const end: IteratorResult<T, undefined> = { done: true, value: undefined };
    if (signal.aborted) return Promise.resolve(end);
    const result = this.next();
    const { waiter } = this;
    if (waiter === null) return result;
    const abort = (): void => {
      if (this.waiter !== waiter) return;
      this.waiter = null;
      waiter.resolve(end);
    };
    signal.addEventListener('abort', abort, { once: true });
    return result.finally(() => signal.removeEventListener('abort', abort));
  }

  private take(): T | null {
    const entry = this.queue[this.head];
    if (entry === undefined) return null;
    this.head++;
    // Give back the memory of what was read without shifting the array for every event.
    if (this.head === this.queue.length || this.head >= 1024) {
      this.queue.splice(0, this.head);
      this.head = 0;
    }
    this.weight -= entry.weight;
    this.drained();
    return entry.item;
  }

  private drained(): void {
    if (!this.full || this.weight > this.highWeight / 2) return;
    this.full = false;
    this.hooks.onDrained();
  }

  private finish(error: Error | null): void {
    if (this.finished) return;
    this.finished = true;
    if (this.waiter === null) {
      this.error = error;
      return;
    }
    const { resolve, reject } = this.waiter;
    this.waiter = null;
    if (error === null) resolve({ done: true, value: undefined });
    else reject(error);
  }
}
