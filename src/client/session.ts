import { CsError } from '../lib/errors.ts';
import { RESPONSE_HEADER_BYTES } from '../lib/ipc-header.ts';
import type { Call } from '../services/codec/call.ts';
import { EMPTY, type Fields, type Values } from '../services/codec/struct.ts';
import { abortable, checkedSignal, pause, within } from './abort.ts';
import { checkedAmount, checkedText } from './arguments.ts';
import { type Channel, type ChannelHook, OPEN_CHANNEL } from './channel.ts';
import { type ClockHook, clockOf } from './clock.ts';
import { reportConnect, reportEnd } from './diagnostics.ts';
import { ArgumentError, bareMessage, ConnectionError, endReason, isConnectionError } from './errors.ts';
import { openIpcChannel } from './ipc-channel.ts';
import {
  type ConnectionStatus,
  Reconnection,
  type ReconnectOptions,
  type Revival,
  reconnectSettings,
} from './reconnection.ts';
import { Reply, type StatusHints } from './reply.ts';

/** What every `connect()` of this library takes. */
export interface ConnectOptions {
  /** IPC instance of the daemon. Default: `RONDO_IPC_INSTANCE`, else the stock socket names. */
  readonly instance?: string;
  /** Aborts connecting; the connection itself ends with `close()`. */
  readonly signal?: AbortSignal;
  /** Milliseconds to wait for a daemon that is not running or not ready yet. Default 0: fail at once. */
  readonly waitReadyMs?: number;
  /** Milliseconds for which a request that got TRY_AGAIN (synchronisation, full queue) is repeated. Default 30 000. */
  readonly tryAgainMs?: number;
  /**
   * Milliseconds that the daemon may take for the set-up of the connection, for one response, and for taking one message,
   * before the call fails with `RONDO_TIMEOUT`. Default 60 000; `Infinity`: no limit.
   */
  readonly timeoutMs?: number;
}

/** What `connect()` of services takes of which a lost connection can be made again. */
export interface ReconnectingOptions extends ConnectOptions {
  /**
   * Makes a connection that is lost again, with what it was in: its group, its watches. `true`: tries after 100 ms, later each 5 s at most. What is missed meanwhile
   * is marked by `gap` events; calls and messages wait for the connection, for `timeoutMs`; those that were on their way reject. Default `false`: its end is the end.
   */
  readonly reconnect?: boolean | ReconnectOptions;
}

/** Options of single calls. */
export interface CallOptions {
  /** Stops waiting. The daemon may still carry the request out. */
  readonly signal?: AbortSignal;
}

/** What a call carries besides the fields of its request. */
export interface CallDetails extends CallOptions {
  /** The variable part of the request. */
  readonly tail?: Uint8Array;
  readonly hints?: StatusHints;
  /** Repeats BUSY as well as TRY_AGAIN, where the C libraries do. */
  readonly repeatBusy?: boolean;
  /** By the connection of this number only (`Session.life`), for what the daemon keeps for a connection; it fails when that is gone. */
  readonly life?: number;
}

export const TRY_AGAIN_MS_DEFAULT = 30_000;
export const TIMEOUT_MS_DEFAULT = 60_000;
/** What the socket of a service may be called: stock's address has 108 bytes, with a NUL at each end. */
const INSTANCE_BYTES_MAX = 90;
/** The longest request that a connection carries. */
const REQUEST_BYTES_MAX = 1_048_576;
const RETRY_FIRST_MS = 1;
const RETRY_MAX_MS = 50;
const CONNECT_RETRY_MS = 100;
/** With a short `waitReadyMs`, a daemon that does listen gets this long for the set-up all the same. */
const SETUP_MS_MIN = 2_000;

const TIMEOUT_HINT =
  'It is stopped (SIGSTOP, a debugger), hangs, or the machine is overloaded; its log and its process state say which';

/** What a session does with the streams of events that depend on it. */
export interface SessionStream {
  end(): void;
  fail(error: Error): void;
}

/**
 * A connection to one service: checks statuses, repeats what the daemon asks to repeat, ends every stream when it ends.
 */
export class Session {
  private readonly streams = new Set<SessionStream>();
  private readonly holds = new Set<SessionStream>();
  private channel: Channel | null = null;
  /** Counts the connections that this was. */
  private lives = 0;
  private isKeptAlive = true;
  private revival: Revival | null = null;
  private isBehind: () => boolean = () => false;
  private readonly reconnection: Reconnection;
  private ended: ConnectionError | null = null;
  private resolveEnded: (reason: ConnectionError | null) => void = () => {};
  /** Resolves at the end of the connection; `null`: it was closed from here. */
  readonly whenEnded = new Promise<ConnectionError | null>((resolve) => {
    this.resolveEnded = resolve;
  });
  private readonly tryAgainMs: number;
  /** Limit of one response, and of a send that waits for room. */
  readonly timeoutMs: number;

  private constructor(
    readonly service: string,
    private readonly instance: string,
    private readonly onEvent: (event: Uint8Array) => void,
    private readonly options: ReconnectingOptions & ChannelHook & ClockHook,
  ) {
    this.reconnection = new Reconnection(reconnectSettings(options.reconnect), clockOf(options), {
      open: (signal) => this.reopen(signal),
      giveUp: (reason) => this.end(reason),
      asReason: (error) => endReason(service, error instanceof Error ? error : new Error(String(error))),
      keepsAlive: () => this.isKeptAlive,
    });
    this.tryAgainMs = checkedAmount(options.tryAgainMs, 'tryAgainMs', TRY_AGAIN_MS_DEFAULT);
    this.timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', TIMEOUT_MS_DEFAULT);
  }

  static async open(
    service: string,
    options: ReconnectingOptions & ChannelHook & ClockHook,
    onEvent: (event: Uint8Array) => void = () => {},
  ): Promise<Session> {
    const instance = checkedInstance(options.instance ?? process.env['RONDO_IPC_INSTANCE'] ?? '');
    const session = new Session(service, instance, onEvent, options);
    const waitMs = checkedAmount(options.waitReadyMs, 'waitReadyMs', 0);
    const deadline = performance.now() + waitMs;
    for (;;) {
      const signal = checkedSignal(options.signal);
      const leftMs = waitMs === 0 ? session.timeoutMs : Math.max(deadline - performance.now(), SETUP_MS_MIN);
      try {
        await session.openChannel(Math.min(leftMs, session.timeoutMs), signal);
        break;
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        const temporary = isConnectionError(error, 'RONDO_NOT_READY') || isConnectionError(error, 'RONDO_NOT_RUNNING');
        if (!temporary) throw error;
        if (performance.now() >= deadline) throw waitMs === 0 ? error : withWait(error, waitMs);
        await pause(CONNECT_RETRY_MS, signal);
      }
    }
    reportConnect(service, instance);
    if (options.signal?.aborted) {
      session.close();
      options.signal.throwIfAborted();
    }
    return session;
  }

  private async openChannel(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { instance } = this;
    const open = this.options[OPEN_CHANNEL] ?? openIpcChannel;
    const life = ++this.lives;
    const handler = {
      event: (event: Uint8Array) => {
        if (life === this.lives) this.dispatch(event);
      },
      isBehind: () => this.isBehind(),
      closed: (error: Error | null) => {
        if (life === this.lives) this.channelClosed(error);
      },
    };
    const options = signal === undefined ? { instance, timeoutMs } : { instance, timeoutMs, signal };
    this.channel = await open(this.service, options, handler);
  }

  // ---- a connection that is made again ----

  /** From now on a lost connection is made again, if the options want that. */
  reviveBy(revival: Revival): void {
    this.revival = revival;
  }

  /** The number of the connection that there is now. */
  get life(): number {
    return this.lives;
  }

  get isConnected(): boolean {
    return this.ended === null && !this.reconnection.isDown;
  }

  /** Waits for a connection as long as for a response; resolves with its number. */
  async connected(signal?: AbortSignal): Promise<number> {
    if (this.reconnection.isDown) {
      const late = (): ConnectionError => this.noConnection();
      await within(abortable(this.reconnection.whenUp(), signal), this.timeoutMs, late);
    }
    return this.lives;
  }

  status(signal?: AbortSignal): AsyncIterableIterator<ConnectionStatus> {
    return this.reconnection.watch(signal);
  }

  private noConnection(): ConnectionError {
    const { reason } = this.reconnection;
    const message = `${this.service}: no connection to the daemon for ${this.timeoutMs} ms`;
    return new ConnectionError('RONDO_TIMEOUT', message, reason?.message ?? '', { cause: reason });
  }

  private channelClosed(error: Error | null): void {
    if (error === null || this.revival === null || !this.reconnection.isWanted) {
      this.end(error);
      return;
    }
    if (this.reconnection.isDown) return; // what the new one was to do fails, and it is tried again
    const reason = endReason(this.service, error);
    this.dropChannel();
    reportEnd(this.service, this.instance, reason);
    this.reconnection.begin(reason);
    this.revival.lost(reason);
  }

  private async reopen(signal: AbortSignal): Promise<void> {
    try {
      await this.openChannel(this.timeoutMs, signal);
      signal.throwIfAborted();
      this.channel?.keepAlive?.(this.isKeptAlive);
      if (this.holds.size > 0) this.channel?.pauseEvents();
      await this.revival?.revive(this.lives);
      reportConnect(this.service, this.instance);
    } catch (error) {
      this.dropChannel();
      throw error;
    }
  }

  /** Nothing that it reports counts any more. */
  private dropChannel(): void {
    this.lives++;
    this.channel?.close();
    this.channel = null;
  }

  /** A call whose status is to be OK: what its response carries. `what` names the operation in errors. */
  async call<Q extends Fields, A extends Fields>(
    call: Call<Q, A>,
    values: Partial<Values<Q>>,
    what: string,
    details: CallDetails = {},
  ): Promise<Values<A>> {
    return (await this.exchange(call, values, details)).requireOk(what, details.hints).values;
  }

  /** A call of which every status is a result. TRY_AGAIN, and BUSY where the C libraries repeat it, are repeated here too. */
  async exchange<Q extends Fields, A extends Fields>(
    call: Call<Q, A>,
    values: Partial<Values<Q>>,
    details: CallDetails = {},
  ): Promise<Reply<A>> {
    const request = call.request.message(values, details.tail);
    if (request.length > REQUEST_BYTES_MAX) {
      throw new ArgumentError(`${this.service}: request of ${request.length} bytes, at most ${REQUEST_BYTES_MAX} fit`);
    }
    const deadline = performance.now() + this.tryAgainMs;
    for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
      const signal = checkedSignal(details.signal);
      const wait = this.waitFor(details.life, signal);
      if (wait !== null) await wait;
      const response = await within(abortable(this.respond(request), signal), this.timeoutMs, () => this.late());
      if (response.length < RESPONSE_HEADER_BYTES) {
        throw new ConnectionError('RONDO_PROTOCOL', `${this.service}: response of ${response.length} bytes`);
      }
      const reply = new Reply(call, response);
      const repeat =
        reply.status === CsError.TRY_AGAIN || (details.repeatBusy === true && reply.status === CsError.BUSY);
      if (!repeat || performance.now() >= deadline) return reply;
      await pause(pauseMs, signal);
    }
  }

  /** `null`: there is a connection. @throws ConnectionError: the one of that number is gone. */
  private waitFor(life: number | undefined, signal: AbortSignal | undefined): Promise<number> | null {
    if (life === undefined) return this.reconnection.isDown ? this.connected(signal) : null;
    if (life === this.lives) return null;
    const message = `${this.service}: the connection by which this was begun is gone`;
    throw this.ended ?? new ConnectionError('RONDO_DISCONNECTED', message, 'Begin it again');
  }

  /** A request without a response; `false`: no room now, and nothing of the tail was copied. */
  tryPost<Q extends Fields>(call: Call<Q>, values: Partial<Values<Q>>, tail: Uint8Array = EMPTY): boolean {
    return this.tryPostEncoded(call.request.head(values, tail.length), tail);
  }

  /** The same with a head that was encoded before. */
  tryPostEncoded(head: Uint8Array, tail: Uint8Array): boolean {
    return !this.reconnection.isDown && this.open().tryPost(head, tail);
  }

  /** The error of a daemon that did not respond in time. */
  late(): ConnectionError {
    const message = `${this.service}: the daemon did not respond within ${this.timeoutMs} ms`;
    return new ConnectionError('RONDO_TIMEOUT', message, TIMEOUT_HINT);
  }

  /** What says whether many events wait for the program. */
  pacedBy(isBehind: () => boolean): void {
    this.isBehind = isBehind;
  }

  /** The stream ends with this connection. */
  register(stream: SessionStream): void {
    if (this.ended !== null) stream.fail(this.ended);
    else this.streams.add(stream);
  }

  unregister(stream: SessionStream): void {
    this.streams.delete(stream);
    this.release(stream);
  }

  /** While any stream holds, no events are taken from the daemon. */
  hold(stream: SessionStream): void {
    this.holds.add(stream);
    this.channel?.pauseEvents();
  }

  release(stream: SessionStream): void {
    if (this.holds.delete(stream) && this.holds.size === 0) this.channel?.resumeEvents();
  }

  get closed(): boolean {
    return this.ended !== null;
  }

  /** @throws ConnectionError: the connection has ended. */
  requireOpen(): void {
    if (this.ended !== null) throw this.ended;
  }

  keepAlive(on: boolean): void {
    this.isKeptAlive = on;
    this.channel?.keepAlive?.(on);
  }

  close(): void {
    this.end(null);
    this.channel?.close();
  }

  /** A response, or the reason for which the connection ended: what the channel says about it is for this layer only. */
  private async respond(request: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.open().call(request);
    } catch (error) {
      if (error instanceof ConnectionError || !(error instanceof Error)) throw error;
      throw this.ended ?? endReason(this.service, error);
    }
  }

  private open(): Channel {
    if (this.ended !== null) throw this.ended;
    if (this.channel === null) throw new ConnectionError('RONDO_CLOSED', `${this.service}: not connected`);
    return this.channel;
  }

  private dispatch(event: Uint8Array): void {
    try {
      this.onEvent(event);
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)));
      this.channel?.close();
    }
  }

  private end(error: Error | null): void {
    if (this.ended !== null) return;
    this.ended = endReason(this.service, error);
    this.resolveEnded(error === null ? null : this.ended);
    this.reconnection.end(this.ended);
    if (this.channel !== null) reportEnd(this.service, this.instance, error === null ? null : this.ended);
    for (const stream of this.streams) {
      if (error === null) stream.end();
      else stream.fail(this.ended);
    }
    this.streams.clear();
    this.holds.clear();
  }
}

function checkedInstance(instance: string): string {
  const bytes = Buffer.byteLength(checkedText(instance, 'the IPC instance'));
  if (bytes > INSTANCE_BYTES_MAX || instance.includes('\0') || instance.includes('/')) {
    throw new ArgumentError(
      `'${instance.replaceAll('\0', '\\0')}' cannot be an IPC instance`,
      `It is a name of at most ${INSTANCE_BYTES_MAX} bytes without / and NUL`,
    );
  }
  return instance;
}

/** The same error, saying that it was waited for. */
function withWait(error: unknown, waitMs: number): unknown {
  if (!(error instanceof ConnectionError)) return error;
  const message = `${bareMessage(error)} (waited ${waitMs} ms)`;
  return new ConnectionError(error.code, message, error.hint, { cause: error.cause });
}
