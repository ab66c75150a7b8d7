import { accessSync, chmodSync, constants, mkdtempSync } from 'node:fs';
import type { ClientDatagramSockets } from '../../lib/client-descriptor.ts';
import { QB_HEADER, QB_LAYOUT, qbDataBytes } from '../../lib/qbring/layout.ts';
import { initializeQbHeader } from '../../lib/qbring/setup.ts';
import { Arena } from '../../os/arena.ts';
import type { Credentials } from '../../os/credentials.ts';
import { Errno } from '../../os/errno.ts';
import {
  allocateFile,
  changeModeFd,
  changeOwnerFd,
  closeFd,
  forbidShrinking,
  OpenFlag,
  openDirectory,
  openFileIn,
  removeDirectory,
  tryLockOpenFile,
  unlinkFileIn,
  writeFd,
} from '../../os/fd.ts';
import { SHARED_MEMORY_DIRECTORY } from '../names.ts';
import type { RingNames } from '../protocol.ts';

/**
 * The directory of one connection and its six files (libqb-ipc.md 1.7).
 *
 * The files belong to the client, the directory to the daemon: mode 0711 lets a client open the names that it was given, and nobody but
 * the daemon can put something else there, so no path that others control is ever followed. (libqb gives the directory away, too.)
 * The daemon holds a lock on the directory as long as it has files: one that nobody has locked was left behind, whatever process ids
 * mean in the namespace of whoever looks (`sweep.ts`).
 */
export interface ConnectionFiles {
  readonly directory: string;
  /** Open and locked. Whoever holds this closes it: `removeConnectionFiles`. */
  readonly directoryFd: number;
  /** The part of the names that is the service's socket. */
  readonly service: string;
  /** Open, for a client that uses datagrams; `null`: the files are rings. */
  readonly datagrams: ClientDatagramSockets | null;
}

const KINDS = ['request', 'response', 'event'] as const;
const CREATE = OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.EXCL;
/** Others find what they know the name of, and see nothing else. It is set last: a directory with it is complete and locked. */
export const DIRECTORY_MODE = 0o711;
/** Until then: as `mkdtemp` makes it. */
export const UNFINISHED_MODE = 0o700;

/** A header file is filled here once and written; the views are not shared with anybody. */
const template = Arena.map(QB_HEADER.mappedBytes + 4096);

/** Names of the six files: header and data of request, response, event. */
export const ringFileNames = (service: string): string[] =>
  KINDS.flatMap((kind) => [`qb-${kind}-${service}-header`, `qb-${kind}-${service}-data`]);

/** Name of the only file of a client that uses datagrams (libqb-ipc.md 3.9). */
export const controlFileName = (service: string): string => `qb-control-${service}`;

/** What the client is given. */
export const ringNames = ({ directory, service }: Pick<ConnectionFiles, 'directory' | 'service'>): RingNames => [
  `${directory}/qb-request-${service}`,
  `${directory}/qb-response-${service}`,
  `${directory}/qb-event-${service}`,
];

/**
 * Makes a complete set: everything is in place before the client hears of it. Returns -errno when the file system is full, among
 * others; then nothing is left.
 */
export function createConnectionFiles(
  service: string,
  fd: number,
  peer: Credentials,
  maxMessageBytes: number,
): ConnectionFiles | number {
  const place = createConnectionDirectory(SHARED_MEMORY_DIRECTORY, fd, peer);
  if (typeof place === 'number') return place;
  const files: ConnectionFiles = { ...place, service, datagrams: null };
  const result = fill(files, peer, qbDataBytes(maxMessageBytes));
  if (result === 0) return files;
  removeConnectionFiles(files);
  return result;
}

/** A connection's directory, empty, open and locked, not to be found by others before `openToClients`; -errno: nothing is left. */
export function createConnectionDirectory(
  root: string,
  fd: number,
  peer: Credentials,
): Pick<ConnectionFiles, 'directory' | 'directoryFd'> | number {
  let directory: string;
  try {
    directory = mkdtempSync(`${root}/qb-${process.pid}-${peer.pid}-${fd}-`);
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -Errno.EACCES;
  }
  const directoryFd = openDirectory(directory);
  const locked = directoryFd < 0 ? directoryFd : tryLockOpenFile(directoryFd);
  if (locked === 0) return { directory, directoryFd };
  removeDirectory(directory);
  if (directoryFd >= 0) closeFd(directoryFd);
  return locked;
}

/** The directory is complete: 0, or -errno. */
export function openToClients({ directory }: Pick<ConnectionFiles, 'directory'>): number {
  try {
    chmodSync(directory, DIRECTORY_MODE); // ours, in a sticky directory: nobody can put another one in its place
    return 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -Errno.EACCES;
  }
}

function fill(files: ConnectionFiles, peer: Credentials, dataBytes: number): number {
  for (const ring of ringNames(files)) {
    const result = createRing(files.directoryFd, ring, peer, dataBytes);
    if (result < 0) return result;
  }
  return openToClients(files);
}

function createRing(directoryFd: number, ring: string, peer: Credentials, dataBytes: number): number {
  const name = ring.slice(ring.lastIndexOf('/') + 1);
  template.u8.fill(0, 0, QB_HEADER.fileBytes);
  const memory = {
    u8: template.u8,
    i32: template.i32,
    layout: QB_LAYOUT,
    header: 0,
    data: QB_HEADER.mappedBytes,
    words: dataBytes >> 2,
    chunkBytesMax: 0,
  };
  initializeQbHeader(memory, `${ring}-header`, `${ring}-data`);
  const header = createFile(directoryFd, `${name}-header`, QB_HEADER.fileBytes, peer, 0, QB_HEADER.fileBytes);
  return header < 0 ? header : createFile(directoryFd, `${name}-data`, dataBytes, peer, memory.data, 4);
}

/** A file with its blocks, the first of them written from `template`. */
function createFile(
  directoryFd: number,
  name: string,
  bytes: number,
  peer: Credentials,
  contentAt: number,
  contentBytes: number,
): number {
  const fd = createClientFile(directoryFd, name, bytes, peer);
  if (fd < 0) return fd;
  const written = writeFd(fd, template.address + contentAt, contentBytes);
  closeFd(fd);
  return Math.min(written, 0);
}

/** A file of zeroes that the client may open: its descriptor, or -errno. */
export function createClientFile(directoryFd: number, name: string, bytes: number, peer: Credentials): number {
  const fd = openFileIn(directoryFd, name, CREATE);
  if (fd < 0) return fd;
  const result = allocateFile(fd, bytes);
  // Not root: then only clients of our own user can connect, and they can open the files as they are (as in libqb).
  changeOwnerFd(fd, peer.uid, peer.gid);
  changeModeFd(fd, 0o600);
  if (result === 0) return fd;
  closeFd(fd);
  return result;
}

/** Removes files and directory, and lets go of them. */
export function removeConnectionFiles({ directory, directoryFd, service, datagrams }: ConnectionFiles): void {
  for (const name of datagrams === null ? ringFileNames(service) : [controlFileName(service)])
    unlinkFileIn(directoryFd, name);
  removeDirectory(directory);
  closeFd(directoryFd);
}

/** The same, and everything else that was opened for a client that nobody will serve. */
export function discardConnectionFiles(files: ConnectionFiles): void {
  removeConnectionFiles(files);
  if (files.datagrams !== null) closeDatagramSockets(files.datagrams);
}

export function closeDatagramSockets({ request, event, control }: ClientDatagramSockets): void {
  for (const fd of [request, event, control]) if (fd >= 0) closeFd(fd);
}

const PROBE_NAME = controlFileName('probe');

/** Whether connections can have files in shared memory: 0, or -errno, as where it is missing (ENOENT) or read-only (EROFS). */
export function sharedMemoryError(): number {
  try {
    accessSync(SHARED_MEMORY_DIRECTORY, constants.W_OK | constants.X_OK);
    return 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -Errno.EACCES;
  }
}

/**
 * Whether clients can be kept from making their ring files shorter, and so from ending the daemon with SIGBUS: 0, or -errno for what is
 * missing, Linux 6.6 or CAP_LINUX_IMMUTABLE. For a line in the log.
 */
export function shrinkProtection(): number {
  let directory: string;
  try {
    directory = mkdtempSync(`${SHARED_MEMORY_DIRECTORY}/qb-${process.pid}-0-0-`); // `sweep.ts` finds it, should this process be killed now
  } catch {
    return 0; // no client can connect either, and hears why
  }
  const directoryFd = openDirectory(directory);
  const fd = directoryFd < 0 ? directoryFd : openFileIn(directoryFd, PROBE_NAME, CREATE);
  if (fd >= 0) unlinkFileIn(directoryFd, PROBE_NAME);
  const result = fd < 0 ? 0 : Math.min(forbidShrinking(fd), 0);
  removeDirectory(directory);
  for (const open of [fd, directoryFd]) if (open >= 0) closeFd(open);
  return result;
}
