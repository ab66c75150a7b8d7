import { RondoError } from '../lib/errors.ts';

/** Why no connection could be made, or why it ended. Codes are stable; statuses of requests are `CsStatusError`s. */
export type ConnectionErrorCode =
  /** Nobody listens: the daemon is not running, or has another instance name, or no such service. */
  | 'RONDO_NOT_RUNNING'
  /** The daemon runs and is not ready: no ring has formed since it started. */
  | 'RONDO_NOT_READY'
  /** Neither root nor granted by `uidgid`. */
  | 'RONDO_DENIED'
  /** The daemon ended, or cut this connection. */
  | 'RONDO_DISCONNECTED'
  /** `close()` was called. */
  | 'RONDO_CLOSED'
  /** The daemon sent something that is not the protocol. */
  | 'RONDO_PROTOCOL'
  /** Anything else that made connecting fail; see `cause`. */
  | 'RONDO_CONNECT';

export class ConnectionError extends RondoError {
  override readonly name = 'ConnectionError';
  declare readonly code: ConnectionErrorCode;

  constructor(code: ConnectionErrorCode, message: string, hint?: string, options?: ErrorOptions) {
    super(code, message, hint, options);
  }
}

/** A value that cannot be sent: too long, out of range, of another type than the key. */
export class ArgumentError extends RondoError {
  override readonly name = 'ArgumentError';
  constructor(message: string, hint?: string) {
    super('RONDO_ARGUMENT', message, hint);
  }
}

export const isConnectionError = (error: unknown, code: ConnectionErrorCode): boolean =>
  error instanceof ConnectionError && error.code === code;
