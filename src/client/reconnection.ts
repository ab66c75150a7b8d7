import { checkedSignal } from './abort.ts';
import { checkedAmount } from './arguments.ts';
import { BACKOFF_DEFAULT, type Backoff, tryAgain } from './backoff.ts';
import type { Clock } from './clock.ts';
import { ArgumentError, type ConnectionError } from './errors.ts';
import { EventStream } from './event-stream.ts';

/** How a connection that is lost is made again. */
export interface ReconnectOptions extends Partial<Backoff> {
  /** Without success for so long, the connection ends for good. Default `Infinity`. */
  readonly giveUpMs?: number;
}

/** What becomes of a connection. */
export type ConnectionStatus =
  /** For the first time, or again; what it was in before, a group or watches, it is in again. */
  | { readonly type: 'connected' }
  | { readonly type: 'disconnected'; readonly reason: ConnectionError }
  /** It is tried for the `attempt`th time; `reason`: why it is still to be done. */
  | { readonly type: 'reconnecting'; readonly attempt: number; readonly reason: ConnectionError };

/** What happens until the connection is there again is missed: take what you need of it anew. In its place among the events. */
export interface GapEvent {
  readonly type: 'gap';
  readonly reason: ConnectionError;
}

/** Options of connections that are made again, or may be: their events have gaps. */
export interface Reconnects {
  readonly reconnect: boolean | ReconnectOptions;
}

/** What a client does at a loss, and what makes a new connection what the one before was. */
export interface Revival {
  lost(reason: ConnectionError): void;
  /** `life` goes with each of its calls, which do not wait for the connection to be complete. */
  revive(life: number): Promise<void>;
}

interface Settings {
  readonly backoff: Backoff;
  readonly giveUpMs: number;
}

/** `null`: the first end is the end. @throws ArgumentError */
export function reconnectSettings(option: boolean | ReconnectOptions | undefined): Settings | null {
  if (option === undefined || option === false) return null;
  if (option !== true && (typeof option !== 'object' || option === null))
    throw new ArgumentError('the option reconnect is true, false, or { minMs, maxMs, giveUpMs }');
  const given = option === true ? {} : option;
  const minMs = checkedAmount(given.minMs, 'reconnect.minMs', BACKOFF_DEFAULT.minMs);
  const maxMs = checkedAmount(given.maxMs, 'reconnect.maxMs', Math.max(minMs, BACKOFF_DEFAULT.maxMs));
  if (maxMs < minMs) throw new ArgumentError(`reconnect.maxMs, ${maxMs}, is less than reconnect.minMs, ${minMs}`);
  const giveUpMs = checkedAmount(given.giveUpMs, 'reconnect.giveUpMs', Number.POSITIVE_INFINITY);
  return { backoff: { minMs, maxMs }, giveUpMs };
}

/** What the session does for it. */
export interface ReconnectionPorts {
  /** Opens a channel, and makes it what it was (`Revival`). */
  open(signal: AbortSignal): Promise<void>;
  /** No longer: the error is why. */
  giveUp(reason: ConnectionError): void;
  /** As an error of a connection. */
  asReason(error: unknown): ConnectionError;
  readonly keepsAlive: () => boolean;
}

interface Outage {
  readonly over: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: ConnectionError) => void;
  reason: ConnectionError;
}

/** The outages of a connection: one that is lost is made again, if that is wanted. */
export class Reconnection {
  private current: ConnectionStatus = { type: 'connected' };
  private outage: Outage | null = null;
  private readonly closing = new AbortController();
  /** A status comes with each attempt at most, so nobody has many of them waiting. */
  private readonly watches = new Set<EventStream<ConnectionStatus>>();

  constructor(
    private readonly settings: Settings | null,
    private readonly clock: Clock,
    private readonly ports: ReconnectionPorts,
  ) {}

  get isWanted(): boolean {
    return this.settings !== null && !this.closing.signal.aborted;
  }

  get isDown(): boolean {
    return this.outage !== null;
  }

  /** Why there is no connection now. */
  get reason(): ConnectionError | null {
    return this.outage?.reason ?? null;
  }

  /** Resolves when there is a connection; rejects when there will be none. */
  whenUp(): Promise<void> {
    return this.outage?.over ?? Promise.resolve();
  }

  /** The connection is lost. */
  begin(reason: ConnectionError): void {
    const { settings } = this;
    if (settings === null) return;
    let resolve = (): void => {};
    let reject: Outage['reject'] = () => {};
    const over = new Promise<void>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    over.catch(() => {}); // those that wait hear of it
    this.outage = { over, resolve, reject, reason };
    this.report({ type: 'disconnected', reason });
    void this.run(settings, this.outage);
  }

  /** No connection is made any more. */
  end(reason: ConnectionError): void {
    this.closing.abort();
    this.outage?.reject(reason);
    this.outage = null;
    for (const watch of this.watches) watch.end();
    this.watches.clear();
  }

  /** The status now first, then each change; ends with the connection. */
  watch(signal: AbortSignal | undefined): AsyncIterableIterator<ConnectionStatus> {
    checkedSignal(signal);
    const watch: EventStream<ConnectionStatus> = new EventStream(Number.POSITIVE_INFINITY, {
      onFull() {},
      onDrained() {},
      onReturn: () => void this.watches.delete(watch),
    });
    if (this.closing.signal.aborted) watch.end();
    else {
      watch.push(this.current);
      this.watches.add(watch);
    }
    return watch.endOn(signal);
  }

  private async run({ backoff, giveUpMs }: Settings, outage: Outage): Promise<void> {
    const { clock, ports } = this;
    const { keepsAlive } = ports;
    const { signal } = this.closing;
    const endMs = clock.nowMs() + giveUpMs;
    const isUp = await tryAgain(
      async (attempt) => {
        if (clock.nowMs() >= endMs) return false;
        this.report({ type: 'reconnecting', attempt, reason: outage.reason });
        try {
          await ports.open(signal);
        } catch (error) {
          outage.reason = ports.asReason(error);
          throw error;
        }
        return true;
      },
      { backoff, clock, signal, keepsAlive },
    );
    if (isUp === null || this.outage !== outage) return;
    if (!isUp) {
      ports.giveUp(outage.reason);
      return;
    }
    this.outage = null;
    this.report({ type: 'connected' });
    outage.resolve();
  }

  private report(status: ConnectionStatus): void {
    this.current = status;
    for (const watch of this.watches) watch.push(status);
  }
}
