import { IpcClient, IpcConnectError } from '../ipc/client/ipc-client.ts';
import { runningInstances } from '../ipc/instances.ts';
import type { ChannelOptions, OpenChannel } from './channel.ts';
import { ConnectionError, type ConnectionErrorCode } from './errors.ts';

const INSTANCES_SHOWN = 5;
const FULL = 'A connection takes 3 MB of /dev/shm. Enlarge it (a container: --shm-size), or close connections';

/** Errno of a refusal or of `connect` → stable code, and what to do. */
const REASONS: Readonly<Record<string, readonly [ConnectionErrorCode, string]>> = {
  ECONNREFUSED: ['RONDO_NOT_RUNNING', ''],
  ENOENT: ['RONDO_NOT_RUNNING', ''],
  EAGAIN: ['RONDO_NOT_READY', 'The daemon has not formed its first ring yet; try again'],
  EACCES: ['RONDO_DENIED', 'Run as root, or grant the user with a uidgid section in corosync.conf'],
  EPERM: [
    'RONDO_UNTRUSTED',
    'A daemon runs as root, as this user, or as the owner of /etc/corosync; RONDO_TRUSTED_UID admits one more user',
  ],
  EPROTO: ['RONDO_PROTOCOL', ''],
  ETIMEDOUT: ['RONDO_TIMEOUT', 'It is stopped (SIGSTOP, a debugger) or hangs; its log and its process state say which'],
  ENOSPC: ['RONDO_CONNECT', FULL],
  ENOMEM: ['RONDO_CONNECT', FULL],
  EMFILE: ['RONDO_CONNECT', 'This process or the daemon has no file descriptor left: raise its limit (ulimit -n)'],
  ENFILE: ['RONDO_CONNECT', 'The machine has no file descriptor left'],
  EMSGSIZE: ['RONDO_CONNECT', 'The daemon does not serve messages of this size'],
};

/** The channel over shared memory. */
export const openIpcChannel: OpenChannel = async (service, options, handler) => {
  const { instance, timeoutMs: connectTimeoutMs, signal } = options;
  const lacking = runtimeLacks(process.versions);
  if (lacking !== null)
    throw new ConnectionError('RONDO_CONNECT', lacking, 'Run this program with Node.js 20 or later');
  try {
    const setup = signal === undefined ? { connectTimeoutMs } : { connectTimeoutMs, signal };
    return await IpcClient.connect(service, instance, handler, setup);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const [code, hint] = (error instanceof IpcConnectError ? REASONS[error.errno] : undefined) ?? ['RONDO_CONNECT', ''];
    const advice = code === 'RONDO_NOT_RUNNING' ? notRunningHint(service, options, runningInstances()) : hint;
    throw new ConnectionError(code, error.message, advice, { cause: error });
  }
};

/** Why no connection can be made in a runtime that is not Node.js; `null`: it can. Test clusters work in all of them. */
export function runtimeLacks(versions: NodeJS.Dict<string>): string | null {
  if (versions['bun'] !== undefined) return 'Bun makes no socket of a descriptor, which a connection to a daemon needs';
  if (versions['deno'] !== undefined)
    return 'Deno does not report who owns a file, by which a client knows the daemon that it talks to';
  return null;
}

/** Where no daemon of any name runs. */
export const START_HINT = 'Start the daemon';

/** What to do when nobody listens, which depends on who does. */
export function notRunningHint(
  service: string,
  { instance }: Pick<ChannelOptions, 'instance'>,
  running: readonly string[],
): string {
  if (running.includes(instance))
    return `The daemon runs without the service ${service}: its configuration decides that`;
  const named = running.filter((name) => name !== '').slice(0, INSTANCES_SHOWN);
  const others = [...(running.includes('') ? ['the one with the stock names'] : []), ...named];
  const start = instance === '' ? START_HINT : `${START_HINT} with --ipc-instance ${instance}`;
  if (others.length === 0) return start;
  return `${start}, or use an instance that runs here (option instance, RONDO_IPC_INSTANCE): ${others.join(', ')}`;
}
