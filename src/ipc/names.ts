import { existsSync } from 'node:fs';
import { encodeAbstractName, encodeUnixPath, SUN_PATH_BYTES } from '../os/sockaddr.ts';

/** Where libqb keeps the files of its connections. */
export const SHARED_MEMORY_DIRECTORY = '/dev/shm';
/** If this file exists, libqb uses socket files instead of abstract names (libqb-ipc.md 1.1). */
const FORCE_FILESYSTEM_SOCKETS = '/etc/libqb/force-filesystem-sockets';

/** Name of a service's socket: stock's in the default instance, `NAME-cmap` … in a named one. */
export const socketName = (service: string, instance = ''): string =>
  instance === '' ? service : `${instance}-${service}`;

/**
 * Directory of socket files, or null for abstract names (the normal case). The directory is an option of libqb's build that cannot be asked
 * for: Debian's is /tmp, upstream's /var/run.
 */
export function socketDirectory(): string | null {
  if (!existsSync(FORCE_FILESYSTEM_SOCKETS)) return null;
  return existsSync('/etc/debian_version') ? '/tmp' : '/var/run';
}

/** The same for `node:net`, which takes the path as a string. Abstract names are padded with NULs to the full length, as libqb does. */
export function socketPath(name: string, directory: string | null): string {
  return directory === null ? `\0${name}`.padEnd(SUN_PATH_BYTES, '\0') : `${directory}/${name}`;
}

/** Writes the address of a socket name; returns its length. */
export function encodeSocketAddress(u8: Uint8Array, offset: number, name: string, directory: string | null): number {
  return directory === null ? encodeAbstractName(u8, offset, name) : encodeUnixPath(u8, offset, `${directory}/${name}`);
}

/** `qb-<server pid>-<client pid>-<fd>-XXXXXX`: the name that libqb's servers give to the directory of a connection. */
const CONNECTION_DIRECTORY = /^qb-(\d+)-\d+-\d+-[A-Za-z0-9]{6}$/;

export const isConnectionDirectory = (entry: string): boolean => CONNECTION_DIRECTORY.test(entry);

/** The server's pid in the path of one of a connection's rings, `/dev/shm/qb-…/qb-request-cpg`; `null`: there is none. */
export function serverPidOfRing(path: string): number | null {
  const [, entry = ''] = /\/(qb-[^/]+)\/[^/]*$/.exec(path) ?? [];
  const [, pid] = CONNECTION_DIRECTORY.exec(entry) ?? [];
  return pid === undefined ? null : Number(pid);
}
