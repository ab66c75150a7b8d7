import { onAbort } from './abort.ts';
import { StateError } from './errors.ts';
import { nextTurnIfDue } from './time-slice.ts';

/**
 * Events on their way from the connection to a `for await` loop:
 *
 *   push() → | oldest … newest | → next()
 *            '-- weight ≥ high: onFull() --- weight ≤ high / 2: onDrained()
 *
 * Nothing is ever dropped: a full stream asks its connection to stop reading, and what is not read waits in the daemon.
 * A stream has one reader at a time. It ends after `end()`, and fails after `fail()`, once everything before was read.
 *
 * Two kinds of iterators stand on it: `loop()` leaves the stream as it is when the loop is left, so that a later one goes
 * on; the stream itself is a watch, which ends with its loop.
 */
export interface StreamHooks {
  onFull(): void;
  onDrained(): void;
  /** The reader left the loop or called `return()`. */
  onReturn(): void;
}

const NO_HOOKS: StreamHooks = { onFull() {}, onDrained() {}, onReturn() {} };
const END = { done: true, value: undefined } as const;

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
  private left = false;
  /** The loop that asked last. */
  private reader: AsyncIterableIterator<T> | null = null;
  private error: Error | null = null;
  private forgetSignal = (): void => {};

  constructor(
    private readonly highWeight: number,
    private readonly hooks: StreamHooks = NO_HOOKS,
  ) {}

  /** Whether the stream takes no more events: ended, failed or left by its reader. */
  get done(): boolean {
    return this.finished;
  }

  /** Events that wait for the reader. */
  get waiting(): number {
    return this.queue.length - this.head;
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

  /** As its source did: `null` is an end in order. */
  endAs(error: Error | null): this {
    this.finish(error);
    return this;
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    const entry = this.take();
    if (entry !== null) {
      const turn = nextTurnIfDue();
      if (turn !== null) await turn;
      return { done: false, value: entry };
    }
    if (this.error !== null) {
      const error = this.error;
      this.error = null;
      throw error;
    }
    if (this.finished) return END;
    if (this.waiter !== null) throw oneReader();
    return new Promise((resolve, reject) => {
      this.waiter = { resolve, reject };
    });
  }

  /** Ends a watch: what was not read is given up, because its reader does not want more. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.left = true;
    if (!this.finished) {
      this.finish(null);
      this.hooks.onReturn();
    }
    this.clear();
    return END;
  }

  /** @throws StateError: an earlier loop ended the watch when it was left. */
  [Symbol.asyncIterator](): this {
    if (this.left) {
      throw new StateError('RONDO_WATCH_ENDED', 'this watch ended with the loop that was left', 'Call watch() again');
    }
    return this;
  }

  /** For a loop that leaves the stream as it is when it ends, also by the signal: a later loop goes on. Nothing is lost. */
  loop(signal?: AbortSignal): AsyncIterableIterator<T> {
    let over = false;
    let hasBegun = false;
    const iterator: AsyncIterableIterator<T> = {
      next: () => {
        if (over) return Promise.resolve(END);
        // Another loop has had events since: each would have a part of them.
        if (hasBegun && this.reader !== iterator && this.reader !== null) return Promise.reject(oneReader());
        if (this.waiter === null) this.reader = iterator;
        hasBegun = true;
        return this.nextUntil(signal);
      },
      return: () => {
        over = true;
        if (this.reader === iterator) this.reader = null;
        return Promise.resolve(END);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** What waits here waits there, which is empty. */
  moveTo(other: EventStream<T>): void {
    for (const { item, weight } of this.queue.slice(this.head)) other.push(item, weight);
    this.clear();
  }

  /** For a watch with a signal: the watch ends when it fires. */
  endOn(signal: AbortSignal | undefined): this {
    if (signal?.aborted) void this.return();
    else if (signal !== undefined) this.forgetSignal = onAbort(signal, () => void this.return());
    return this;
  }

  private clear(): void {
    this.queue = [];
    this.head = 0;
    this.weight = 0;
    this.drained();
  }

  private nextUntil(signal: AbortSignal | undefined): Promise<IteratorResult<T, undefined>> {
    if (signal === undefined) return this.next();
    if (signal.aborted) return Promise.resolve(END);
    const before = this.waiter;
    const result = this.next();
    const { waiter } = this;
    if (waiter === null || waiter === before) return result;
    const forget = onAbort(signal, () => {
      if (this.waiter !== waiter) return;
      this.waiter = null;
      waiter.resolve(END);
    });
    return result.finally(forget);
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
    this.forgetSignal();
    if (this.waiter === null) {
      this.error = error;
      return;
    }
    const { resolve, reject } = this.waiter;
    this.waiter = null;
    if (error === null) resolve(END);
    else reject(error);
  }
}

const oneReader = (): StateError =>
  new StateError(
    'RONDO_ONE_READER',
    'these events are being read already',
    'They have one reader at a time; watch() is for further ones',
  );
