import { RondoError } from '../lib/errors.ts';

/** Why no connection could be made, or why it ended. Codes are stable; statuses of requests are `CsStatusError`s. */
export type ConnectionErrorCode =
  /** Nobody listens: the daemon is not running, or has another instance name, or no such service. */
  | 'RONDO_NOT_RUNNING'
  /** The daemon runs and is not ready: no ring has formed since it started. */
  | 'RONDO_NOT_READY'
  /** Neither root nor granted by `uidgid`. */
  | 'RONDO_DENIED'
  /** A user who is neither root nor this one, nor owns /etc/corosync, listens on the socket. */
  | 'RONDO_UNTRUSTED'
  /** The daemon ended, or cut this connection. */
  | 'RONDO_DISCONNECTED'
  /** `close()` was called. */
  | 'RONDO_CLOSED'
  /** The daemon sent something that is not the protocol. */
  | 'RONDO_PROTOCOL'
  /** The daemon did not respond within the time limit: it is stopped, hangs, or has too much to do. */
  | 'RONDO_TIMEOUT'
  /** Anything else that made connecting fail; see `cause`. */
  | 'RONDO_CONNECT';

export class ConnectionError extends RondoError<ConnectionErrorCode> {
  static override readonly errorName = 'ConnectionError';
}

/** A call that does not fit the state of its object. Nothing was sent. */
export type StateErrorCode =
  /** Sending needs a group: before `join()` resolved, or after `leave()`. */
  | 'RONDO_NOT_JOINED'
  /** Whether the message was or will be delivered is not known. */
  | 'RONDO_UNCONFIRMED'
  /** A stream of events that another loop is reading. */
  | 'RONDO_ONE_READER'
  /** A second loop over a watch that ended with its first one. */
  | 'RONDO_WATCH_ENDED';

export class StateError extends RondoError<StateErrorCode> {
  static override readonly errorName = 'StateError';
}

/** A value that cannot be sent: of a wrong type, too long, out of range, of another type than the key. */
export class ArgumentError extends RondoError<'RONDO_ARGUMENT'> {
  static override readonly errorName = 'ArgumentError';
  constructor(message: string, hint?: string) {
    super('RONDO_ARGUMENT', message, hint);
  }
}

export const isConnectionError = (error: unknown, code: ConnectionErrorCode): boolean =>
  error instanceof ConnectionError && error.code === code;

/** The error of every call after the end of a session; `error` is `null` when `close()` was called. */
export function endReason(service: string, error: Error | null): ConnectionError {
  if (error === null) return new ConnectionError('RONDO_CLOSED', `${service}: this connection was closed`);
  if (error instanceof ConnectionError) return error;
  const hint = error instanceof RondoError ? error.hint : '';
  const message = error instanceof RondoError ? bareMessage(error) : error.message;
  const code = error instanceof RondoError && error.code === 'RONDO_IPC_RING' ? 'RONDO_PROTOCOL' : 'RONDO_DISCONNECTED';
  return new ConnectionError(code, `${service}: ${message}`, hint, { cause: error });
}

/** The message of an error without its hint, which the constructor appended. */
export const bareMessage = ({ message, hint }: RondoError): string =>
  hint === '' ? message : message.slice(0, -`. ${hint}`.length);
