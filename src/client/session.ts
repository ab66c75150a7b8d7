import { setTimeout as delay } from 'node:timers/promises';
import { CsError, CsStatusError } from '../lib/errors.ts';
import { messageError, RESPONSE_HEADER_BYTES } from '../services/codec/struct.ts';
import type { Channel, OpenChannel } from './channel.ts';
import { ConnectionError, isConnectionError } from './errors.ts';

/** What every `connect()` of this library takes. */
export interface ConnectOptions {
  /** IPC instance of the daemon. Default: `RONDO_IPC_INSTANCE`, else the stock socket names. */
  readonly instance?: string;
  /** Aborts connecting; the connection itself ends with `close()`. */
  readonly signal?: AbortSignal;
  /** How long to wait for a daemon that is not running or not ready yet. Default 0: fail at once. */
  readonly waitReadyMs?: number;
  /** How long a request answered TRY_AGAIN (synchronisation, full queue) is repeated before that is the result. */
  readonly tryAgainMs?: number;
}

/** Options of single calls. */
export interface CallOptions {
  /** Stops waiting. The daemon may still carry the request out. */
  readonly signal?: AbortSignal;
}

/** What a user can do about a status, by its number. */
export type StatusHints = Readonly<Record<number, string>>;

export const TRY_AGAIN_MS_DEFAULT = 30_000;
const RETRY_FIRST_MS = 1;
const RETRY_MAX_MS = 50;
const CONNECT_RETRY_MS = 100;

/** What a session does with the streams of events that depend on it. */
interface SessionStream {
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
  private ended: ConnectionError | null = null;
  private readonly tryAgainMs: number;

  private constructor(
    readonly service: string,
    private readonly onEvent: (event: Uint8Array) => void,
    options: ConnectOptions,
  ) {
    this.tryAgainMs = options.tryAgainMs ?? TRY_AGAIN_MS_DEFAULT;
  }

  static async open(
    openChannel: OpenChannel,
    service: string,
    options: ConnectOptions,
    onEvent: (event: Uint8Array) => void = () => {},
  ): Promise<Session> {
    const session = new Session(service, onEvent, options);
    const instance = options.instance ?? process.env['RONDO_IPC_INSTANCE'] ?? '';
    const deadline = performance.now() + (options.waitReadyMs ?? 0);
    for (;;) {
      options.signal?.throwIfAborted();
      try {
        session.channel = await openChannel(
          service,
          { instance },
          { event: (event) => session.dispatch(event), closed: (error) => session.end(error) },
        );
        break;
      } catch (error) {
        const temporary = isConnectionError(error, 'RONDO_NOT_READY') || isConnectionError(error, 'RONDO_NOT_RUNNING');
        if (!temporary || performance.now() >= deadline) throw error;
        await delay(CONNECT_RETRY_MS, undefined, options.signal === undefined ? {} : { signal: options.signal });
      }
    }
    if (options.signal?.aborted) {
      session.close();
      options.signal.throwIfAborted();
    }
    return session;
  }

  /** Sends a request; its OK response. `what` names the operation in errors, `hints` says by status what to do. */
  async call(
    request: Uint8Array,
    what: string,
    options: CallOptions = {},
    hints: StatusHints = {},
  ): Promise<Uint8Array> {
    const response = await this.exchange(request, options);
    const status = messageError(response);
    if (status !== CsError.OK) throw new CsStatusError(status, what, hints[status] ?? '');
    return response;
  }

  /** Like `call`, but every status is a result. TRY_AGAIN and BUSY where the C libraries repeat are repeated here too. */
  async exchange(request: Uint8Array, options: CallOptions = {}, repeatBusy = false): Promise<Uint8Array> {
    const deadline = performance.now() + this.tryAgainMs;
    for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
      options.signal?.throwIfAborted();
      const response = await abortable(this.open().call(request), options.signal);
      if (response.length < RESPONSE_HEADER_BYTES) {
        throw new ConnectionError('RONDO_PROTOCOL', `${this.service}: response of ${response.length} bytes`);
      }
      const status = messageError(response);
      const repeat = status === CsError.TRY_AGAIN || (repeatBusy && status === CsError.BUSY);
      if (!repeat || performance.now() >= deadline) return response;
      await delay(pauseMs, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
  }

  /** One-way request; `false`: no room now. */
  tryPost(request: Uint8Array): boolean {
    return this.open().tryPost(request);
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

  close(): void {
    this.end(null);
    this.channel?.close();
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
    for (const stream of this.streams) {
      if (error === null) stream.end();
      else stream.fail(this.ended);
    }
    this.streams.clear();
    this.holds.clear();
  }
}

function endReason(service: string, error: Error | null): ConnectionError {
  if (error === null) return new ConnectionError('RONDO_CLOSED', `${service}: this connection was closed`);
  if (error instanceof ConnectionError) return error;
  return new ConnectionError('RONDO_DISCONNECTED', `${service}: the daemon ended the connection`, error.message, {
    cause: error,
  });
}

/** Rejects when the signal fires; the promise's own result is then nobody's. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
