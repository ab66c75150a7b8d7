import { checkedSignal } from './abort.ts';
import { EventStream } from './event-stream.ts';
import type { SessionStream } from './session.ts';

/** Who is asked to keep events while a reader has too many of them. */
export interface EventSource {
  hold(stream: SessionStream): void;
  release(stream: SessionStream): void;
}

/**
 * What comes from one source, for several readers:
 *
 *   push() → loop()   one reader, which may leave and come back: what comes meanwhile waits for it
 *          → watch()  any number, each with everything from its beginning on, until it leaves
 *
 * A program that only watches has nothing waiting for a loop: until `loop` was called for the first time, what comes is kept for it only while nobody
 * watches, and the first watch takes that over. So nothing is lost, and nothing waits for a reader that never comes.
 */
export class SharedEvents<T> {
  private readonly main: EventStream<T>;
  private readonly watches = new Set<EventStream<T>>();
  private hasLoop = false;
  private over: { readonly error: Error | null } | null = null;

  constructor(
    private readonly highWeight: number,
    private readonly source: EventSource,
  ) {
    this.main = this.stream(() => {});
  }

  push(item: T, weight = 1): void {
    if (this.watches.size === 0) {
      this.main.push(item, weight);
      return;
    }
    if (this.hasLoop) this.main.push(item, weight);
    for (const watch of this.watches) watch.push(item, weight);
  }

  /** Events that wait for the slowest reader. */
  get waiting(): number {
    let most = this.main.waiting;
    for (const { waiting } of this.watches) most = Math.max(most, waiting);
    return most;
  }

  loop(signal: AbortSignal | undefined): AsyncIterableIterator<T> {
    this.hasLoop = true;
    return this.main.loop(signal);
  }

  watch(signal: AbortSignal | undefined): AsyncIterableIterator<T> {
    checkedSignal(signal);
    const watch: EventStream<T> = this.stream(() => this.remove(watch));
    if (!this.hasLoop) this.main.moveTo(watch);
    if (this.over === null) this.watches.add(watch);
    else watch.endAs(this.over.error);
    return watch.endOn(signal);
  }

  end(): void {
    this.finish(null);
  }

  fail(error: Error): void {
    this.finish(error);
  }

  private finish(error: Error | null): void {
    if (this.over !== null) return;
    this.over = { error };
    for (const stream of [this.main, ...this.watches]) stream.endAs(error);
    this.watches.clear();
  }

  private remove(watch: EventStream<T>): void {
    this.watches.delete(watch);
    this.source.release(watch);
  }

  private stream(onReturn: () => void): EventStream<T> {
    const stream: EventStream<T> = new EventStream(this.highWeight, {
      onFull: () => this.source.hold(stream),
      onDrained: () => this.source.release(stream),
      onReturn,
    });
    return stream;
  }
}
