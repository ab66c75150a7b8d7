import { IpcClient, IpcConnectError } from '../ipc/client/ipc-client.ts';
import type { OpenChannel } from './channel.ts';
import { ConnectionError, type ConnectionErrorCode } from './errors.ts';

/** Errno of a refusal or of `connect` → stable code, and what to do (libqb-ipc.md 4.3). */
const REASONS: Readonly<Record<string, readonly [ConnectionErrorCode, string]>> = {
  ECONNREFUSED: ['RONDO_NOT_RUNNING', 'Start the daemon, or name its IPC instance'],
  ENOENT: ['RONDO_NOT_RUNNING', 'Start the daemon, or name its IPC instance'],
  EAGAIN: ['RONDO_NOT_READY', 'The daemon has not formed its first ring yet; try again'],
  EACCES: ['RONDO_DENIED', 'Run as root, or grant the user with a uidgid section in corosync.conf'],
  EPROTO: ['RONDO_PROTOCOL', ''],
};

/** The channel over shared memory. */
export const openIpcChannel: OpenChannel = async (service, options, handler) => {
  try {
    return await IpcClient.connect(service, options.instance, handler);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const [code, hint] = (error instanceof IpcConnectError ? REASONS[error.errno] : undefined) ?? ['RONDO_CONNECT', ''];
    throw new ConnectionError(code, error.message, hint, { cause: error });
  }
};
