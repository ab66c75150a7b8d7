import { statSync } from 'node:fs';
import { scratch } from '../../os/arena.ts';
import { peerCredentials } from '../../os/credentials.ts';
import { errnoName, OsError } from '../../os/errno.ts';
import { closeFd } from '../../os/fd.ts';
import { AF_UNIX } from '../../os/sockaddr.ts';
import { connectSocket, openSocket, SOCK_STREAM } from '../../os/socket.ts';
import { encodeSocketAddress, socketDirectory } from '../names.ts';
import { IpcConnectError } from './setup.ts';

/** Who owns it runs the daemon: only root can put a directory there. */
const CONFIGURATION_DIRECTORY = '/etc/corosync';
/** Number of another user whose daemon this process believes. */
const TRUSTED_UID = 'RONDO_TRUSTED_UID';

/** A socket that has connected, and the user of who listens there. */
export interface Dialed {
  readonly fd: number;
  readonly uid: number;
}

/**
 * Connects to the socket of that name. While no daemon runs any local user can listen under its name, and a server chooses the files that its
 * clients open, change and map; so who listens must be root, this process's own user, the owner of /etc/corosync, or the one that the
 * environment names. The kernel remembers who called `listen`.
 */
export function dial(name: string): Dialed {
  const fd = open(name);
  const connected = connectSocket(fd, scratch.address, encodeSocketAddress(scratch.u8, 0, name, socketDirectory()));
  const uid = connected < 0 ? undefined : peerCredentials(fd)?.uid;
  if (uid !== undefined && isTrusted(uid)) return { fd, uid };
  closeFd(fd);
  if (connected < 0) throw new IpcConnectError(errnoName(connected), `${name}: connect ${errnoName(connected)}`);
  throw new IpcConnectError('EPERM', `${name}: user ${uid ?? 'unknown'} listens there, who is not trusted`);
}

function open(name: string): number {
  try {
    return openSocket(AF_UNIX, SOCK_STREAM);
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    throw new IpcConnectError(error.errno, `${name}: ${error.message}`, { cause: error });
  }
}

export function isTrusted(uid: number): boolean {
  if (uid === 0 || uid === process.geteuid?.()) return true;
  if (process.env[TRUSTED_UID] === String(uid)) return true;
  return statSync(CONFIGURATION_DIRECTORY, { throwIfNoEntry: false })?.uid === uid;
}
