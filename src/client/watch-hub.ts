import { abortable, checkedSignal } from './abort.ts';
import type { ConnectionError } from './errors.ts';
import { EventStream } from './event-stream.ts';
import type { CallDetails, CallOptions, Session } from './session.ts';

const QUEUE_EVENTS = 10_000;

export interface WatchHubOptions<T> {
  /** Asks the daemon for events; it reports the current state first. */
  start(details: CallDetails): Promise<unknown>;
  stop(): Promise<unknown>;
  /** Kinds of which the last event is the state, which a watcher that comes later gets first; `null`: events are no state. */
  readonly kindOf: ((event: T) => string) | null;
  /** The event as a watcher sees it for which it is the beginning. */
  asCurrent(event: T): T;
  /** What marks that events are missed; left out: the connection is not made again. */
  gap?(reason: ConnectionError): T;
}

/**
 * Several watchers of what the daemon sends to a connection once. The first one makes it begin, the last one makes it end.
 */
export class WatchHub<T> {
  private readonly watchers = new Set<EventStream<T>>();
  private readonly current = new Map<string, T>();
  private started: Promise<unknown> | null = null;
  /** A begin waits for the end before it. */
  private stopped: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly session: Session,
    private readonly options: WatchHubOptions<T>,
  ) {}

  /** Ends with its loop, with the signal, or with the connection. */
  async watch({ signal }: CallOptions = {}): Promise<EventStream<T>> {
    checkedSignal(signal);
    this.session.requireOpen();
    const stream: EventStream<T> = new EventStream(QUEUE_EVENTS, {
      onFull: () => this.session.hold(stream),
      onDrained: () => this.session.release(stream),
      onReturn: () => this.remove(stream),
    });
    for (const event of this.current.values()) stream.push(this.options.asCurrent(event));
    this.watchers.add(stream);
    this.session.register(stream);
    try {
      if (!this.session.isConnected) await this.session.connected(signal);
      this.started ??= this.stopped.then(() => this.options.start({}));
      await abortable(this.started, signal);
    } catch (error) {
      this.remove(stream);
      throw error;
    }
    return stream.endOn(signal);
  }

  push(event: T): void {
    const kind = this.options.kindOf?.(event);
    if (kind !== undefined) {
      this.current.delete(kind); // the last events stay in the order in which they came
      this.current.set(kind, event);
    }
    for (const stream of this.watchers) stream.push(event);
  }

  /** The connection is lost; `revive` comes with the next one. */
  lost(reason: ConnectionError): void {
    this.current.clear();
    this.started = null;
    const gap = this.options.gap?.(reason);
    if (gap !== undefined) for (const stream of this.watchers) stream.push(gap);
  }

  /** Asks the daemon again for the events of those who watch. */
  async revive(life: number): Promise<void> {
    if (this.watchers.size === 0) return;
    this.started = this.options.start({ life });
    await this.started;
  }

  private remove(stream: EventStream<T>): void {
    this.session.unregister(stream);
    if (!this.watchers.delete(stream) || this.watchers.size > 0) return;
    const { started } = this;
    this.started = null;
    this.current.clear();
    // A connection that ended, or a start that failed, has nothing to stop.
    if (started !== null) {
      this.stopped = started.then(() => (this.session.isConnected ? this.options.stop() : null)).catch(() => {});
    }
  }
}
