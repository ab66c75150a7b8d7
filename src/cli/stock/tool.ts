import { pause } from '../../client/abort.ts';
import { ConnectionError } from '../../client/errors.ts';
import type { Reply } from '../../client/reply.ts';
import { type CallDetails, Session } from '../../client/session.ts';
import type { IpcConnectError } from '../../ipc/client/ipc-client.ts';
import { CsError, CsStatusError, csErrorName } from '../../lib/errors.ts';
import { printable } from '../../lib/printable.ts';
import type { Call } from '../../services/codec/call.ts';
import type { Fields, Values } from '../../services/codec/struct.ts';
import type { CliIo } from '../command.ts';

/** Exit statuses of C programs. */
export const EXIT_SUCCESS = 0;
export const EXIT_FAILURE = 1;

export interface ToolIo extends Pick<CliIo, 'err' | 'signal' | 'stdin'> {
  /** Standard output: text, or bytes as they are. */
  out(text: string | Uint8Array): void;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
}

/** A command of stock's package, under its own name, with its options, its output and its exit statuses. */
export interface Tool {
  readonly name: string;
  /** The letters of its options, as C's `getopt` takes them. */
  readonly letters: string;
  /** A signal ends it by `io.signal`, in its own time and with its own exit status. */
  readonly daemon?: boolean;
  /** `program` is the name by which it was called, as messages show it. */
  run(args: readonly string[], io: ToolIo, program: string): Promise<number>;
}

/** Ends a tool: what `exit` does in a C program. */
export class Exit extends Error {
  override readonly name = 'Exit';
  constructor(readonly status: number) {
    super(`exit ${status}`);
  }
}

/** `CS_ERR_LIBRARY`; what `cs_strerror` returns. */
export function statusText(status: number): string {
  if (status === CsError.OK) return 'success';
  const name = csErrorName(status);
  return name.startsWith('UNKNOWN') ? 'unknown error' : `CS_ERR_${name}`;
}

/** Statuses of the C libraries for what goes wrong below a request (libqb-ipc.md 5.2). Everything else is LIBRARY. */
const BY_ERRNO: Readonly<Record<string, number>> = {
  ENOMEM: CsError.NO_MEMORY,
  EAGAIN: CsError.TRY_AGAIN,
  ETIMEDOUT: CsError.TRY_AGAIN,
  EINVAL: CsError.INVALID_PARAM,
  EBUSY: CsError.BUSY,
  EACCES: CsError.ACCESS,
  EEXIST: CsError.EXIST,
  ENOSPC: CsError.NO_SPACE,
  EINTR: CsError.INTERRUPT,
  ENOSYS: CsError.NOT_SUPPORTED,
  EMSGSIZE: CsError.TOO_BIG,
};

/** The `cs_error_t` of a failure. */
export function csErrorOf(error: unknown): number {
  if (error instanceof CsStatusError) return error.status;
  if (error instanceof ConnectionError) {
    if (error.code === 'RONDO_NOT_READY') return CsError.TRY_AGAIN;
    if (error.code === 'RONDO_DENIED') return CsError.ACCESS;
    const errno = (error.cause as Partial<IpcConnectError> | undefined)?.errno;
    return (errno === undefined ? undefined : BY_ERRNO[errno]) ?? CsError.LIBRARY;
  }
  throw error;
}

const CONNECT_PAUSE_MS = 1000;

export interface ServiceOptions {
  /** Milliseconds for which TRY_AGAIN is repeated. C libraries hand it to the tool, and most tools do not repeat. */
  readonly tryAgainMs?: number;
  /** How often, once a second, connecting is tried again while the daemon is not ready. Default 0. */
  readonly connectTries?: number;
  readonly onEvent?: (event: Uint8Array) => void;
}

/** A connection to a service, with the statuses of C's libraries. */
export class Service {
  private constructor(private readonly session: Session) {}

  /** The connection, or the status for which there is none. */
  static async open(name: string, io: ToolIo, options: ServiceOptions = {}): Promise<Service | number> {
    const { tryAgainMs = 0, connectTries = 0, onEvent } = options;
    const settings = { signal: io.signal, tryAgainMs, timeoutMs: Number.POSITIVE_INFINITY };
    for (let tries = 0; ; tries++) {
      try {
        return new Service(await Session.open(name, settings, onEvent));
      } catch (error) {
        const status = csErrorOf(error);
        if (status !== CsError.TRY_AGAIN || tries >= connectTries) return status;
        await pause(CONNECT_PAUSE_MS, io.signal);
      }
    }
  }

  /** The response, or the status of a failure: that of the connection, or the daemon's. */
  async call<Q extends Fields, A extends Fields>(
    call: Call<Q, A>,
    values: Partial<Values<Q>>,
    details: CallDetails = {},
  ): Promise<Reply<A> | number> {
    try {
      const reply = await this.session.exchange(call, values, details);
      return reply.status === CsError.OK ? reply : reply.status;
    } catch (error) {
      return csErrorOf(error);
    }
  }

  /** The status of a request whose response says no more than that. */
  async status<Q extends Fields, A extends Fields>(
    call: Call<Q, A>,
    values: Partial<Values<Q>>,
    details: CallDetails = {},
  ): Promise<number> {
    const reply = await this.call(call, values, details);
    return typeof reply === 'number' ? reply : CsError.OK;
  }

  /** Resolves when the connection has ended. */
  get ended(): Promise<unknown> {
    return this.session.whenEnded;
  }

  close(): void {
    this.session.close();
  }
}

/** What others have put there: into a file or a pipe as it is, as stock writes it; a terminal gets nothing that it would obey. */
export const foreign = <T extends string | Uint8Array>({ terminal }: Pick<ToolIo, 'terminal'>, text: T): T | string =>
  terminal ? printable(typeof text === 'string' ? text : Buffer.from(text).toString()) : text;

/** Characters that a terminal takes literally; the others by their codes, as C's `%02X` shows a `char` with sign. */
export function escaped(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    if (byte === 0x5c) text += '\\\\';
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${(((byte << 24) >> 24) >>> 0).toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}
