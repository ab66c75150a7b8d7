import type { Socket } from 'node:net';
import { RondoError } from '../../lib/errors.ts';
import { CONNECTION_REQUEST_BYTES, encodeConnectionRequest } from '../protocol.ts';
import type { SocketInput } from './socket-input.ts';

const TIMER_MS_MAX = 2 ** 31 - 1;

/** Why connecting failed. `errno` is the name of the refusal or of the system call's error. */
export class IpcConnectError extends RondoError {
  static override readonly errorName = 'IpcConnectError';
  constructor(
    readonly errno: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super('RONDO_IPC_CONNECT', message, '', options);
  }
}

/** Node puts the socket's name into its errors, and an abstract name is full of NULs, which make a log file binary. */
export function printableError(error: NodeJS.ErrnoException): Error {
  const clean: NodeJS.ErrnoException = new Error(error.message.replaceAll('\0', ''));
  if (error.code !== undefined) clean.code = error.code;
  return clean;
}

export interface SetupOptions {
  /** How long the set-up may take. A stock client waits for ever. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Sends the set-up request and collects the response; removes its listeners again. @throws the signal's reason */
export function exchangeSetup(
  socket: Socket,
  input: SocketInput,
  name: string,
  maxMessageBytes: number,
  { timeoutMs, signal }: SetupOptions,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const finish = (result: Uint8Array | IpcConnectError): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      socket.off('error', failed).off('close', closed);
      socket.on('error', () => {}); // one that comes between two listeners is followed by 'close'
      socket.pause();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    const failed = (error: NodeJS.ErrnoException): void => {
      const cause = printableError(error);
      finish(new IpcConnectError(error.code ?? 'EIO', `${name}: ${cause.message}`, { cause }));
    };
    const aborted = (): void => finish(new IpcConnectError('ECANCELED', `${name}: the set-up was given up`));
    const closed = (): void => finish(new IpcConnectError('ECONNRESET', `${name}: closed during the set-up`));
    // More than 31 bits of milliseconds would fire at once.
    const timer = setTimeout(
      () =>
        finish(
          new IpcConnectError('ETIMEDOUT', `${name}: the daemon did not respond to the set-up within ${timeoutMs} ms`),
        ),
      Math.min(timeoutMs, TIMER_MS_MAX),
    );
    signal?.addEventListener('abort', aborted, { once: true });
    input.onResponse = finish;
    socket.on('error', failed).on('close', closed);
    const request = new Uint8Array(CONNECTION_REQUEST_BYTES);
    encodeConnectionRequest(new DataView(request.buffer), 0, maxMessageBytes);
    socket.write(request);
  });
}
