import type { ConnectionError } from './errors.ts';
import type { ConnectionStatus } from './reconnection.ts';
import type { CallOptions, Session } from './session.ts';

/** What the connections to all services have in common: their ends. */
export abstract class Connection {
  /** Set by `connect()` before anybody has the object. */
  protected abstract readonly session: Session;

  /** Whether the connection has ended, by either side. */
  get closed(): boolean {
    return this.session.closed;
  }

  /** Whether there is a connection now: not while one that was lost is made again (`reconnect`), nor after the end. */
  get isConnected(): boolean {
    return this.session.isConnected;
  }

  /** What becomes of the connection, beginning with what it is now: `connected`, `disconnected`, `reconnecting`. Ends with it, with the loop, or the signal. */
  status({ signal }: CallOptions = {}): AsyncIterableIterator<ConnectionStatus> {
    return this.session.status(signal);
  }

  /** Resolves when the connection has ended: with `null` after `close()`, else with the reason. Never rejects. */
  get ended(): Promise<ConnectionError | null> {
    return this.session.whenEnded;
  }

  /** Ends the connection and its streams; calls that wait reject with `RONDO_CLOSED`. Does so at once, and may be repeated. */
  async close(): Promise<void> {
    this.session.close();
  }

  /** Cuts the connection without waiting for anything. */
  destroy(): void {
    this.session.close();
  }

  /** From now on this connection does not keep the process alive: a program ends when it waits for nothing else. A call on its way is waited for. */
  unref(): this {
    this.session.keepAlive(false);
    return this;
  }

  /** The opposite of `unref`. */
  ref(): this {
    this.session.keepAlive(true);
    return this;
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
