import type { Socket } from 'node:net';
import { RondoError } from '../../lib/errors.ts';
import { CONNECTION_REQUEST_BYTES, CONNECTION_RESPONSE_BYTES, encodeConnectionRequest } from '../protocol.ts';

/** Why connecting failed. `errno` is the name of the refusal or of the system call's error. */
export class IpcConnectError extends RondoError {
  override readonly name = 'IpcConnectError';
  constructor(
    readonly errno: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super('RONDO_IPC_CONNECT', message, '', options);
  }
}

/** Sends the set-up request and collects the response; removes its listeners again. */
export function exchangeSetup(
  socket: Socket,
  name: string,
  maxMessageBytes: number,
  timeoutMs: number,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    let length = 0;
    const finish = (result: Uint8Array | IpcConnectError): void => {
      clearTimeout(timer);
      socket.off('data', data).off('error', failed).off('close', closed);
      socket.on('error', () => {}); // one that comes between two listeners is followed by 'close'
      socket.pause();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    const failed = (error: NodeJS.ErrnoException): void =>
      finish(
        new IpcConnectError(error.code ?? 'EIO', `${name}: ${error.message.replaceAll('\0', '')}`, { cause: error }),
      );
    const closed = (): void => finish(new IpcConnectError('ECONNRESET', `${name}: closed during the set-up`));
    const timer = setTimeout(
      () => finish(new IpcConnectError('ETIMEDOUT', `${name}: no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const data = (bytes: Uint8Array): void => {
      parts.push(bytes);
      length += bytes.length;
      if (length < CONNECTION_RESPONSE_BYTES) return;
      const all = Buffer.concat(parts);
      const early = all.subarray(CONNECTION_RESPONSE_BYTES); // event bytes that came with it
      if (early.length > 0) socket.unshift(early);
      finish(all.subarray(0, CONNECTION_RESPONSE_BYTES));
    };
    socket.on('data', data).on('error', failed).on('close', closed);
    const request = new Uint8Array(CONNECTION_REQUEST_BYTES);
    encodeConnectionRequest(new DataView(request.buffer), 0, maxMessageBytes);
    socket.write(request);
  });
}
