import { chmodSync, chownSync, mkdtempSync, rmdirSync } from 'node:fs';
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
  OpenFlag,
  openFile,
  unlinkFile,
  writeFd,
} from '../../os/fd.ts';
import { SHARED_MEMORY_DIRECTORY } from '../names.ts';
import type { RingNames } from '../protocol.ts';

/** The directory and the six files of one connection (libqb-ipc.md 1.7). */
export interface ConnectionFiles {
  readonly directory: string;
  readonly rings: RingNames;
  /** Open descriptors: header and data of request, response, event. Whoever holds this closes them. */
  readonly fds: readonly number[];
}

const KINDS = ['request', 'response', 'event'] as const;
const CREATE = OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.NOFOLLOW | OpenFlag.TRUNC;

/** A header file is filled here once and written; the views are not shared with anybody. */
const template = Arena.map(QB_HEADER.mappedBytes + 4096);

/**
 * Makes a complete set: everything is in place before the client hears of it. The directory becomes the client's last, so that nobody
 * else can interfere while it is filled. Answers -errno when the file system is full, among others.
 */
export function createConnectionFiles(
  service: string,
  fd: number,
  peer: Credentials,
  maxMessageBytes: number,
): ConnectionFiles | number {
  let directory: string;
  try {
    directory = mkdtempSync(`${SHARED_MEMORY_DIRECTORY}/qb-${process.pid}-${peer.pid}-${fd}-`);
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -Errno.EACCES;
  }
  const rings = KINDS.map((kind) => `${directory}/qb-${kind}-${service}`) as [string, string, string];
  const fds: number[] = [];
  const files: ConnectionFiles = { directory, rings, fds };
  for (const ring of rings) {
    const result = createRing(ring, peer, qbDataBytes(maxMessageBytes), fds);
    if (result < 0) {
      closeConnectionFiles(files);
      removeConnectionFiles(files);
      return result;
    }
  }
  try {
    chmodSync(directory, 0o770);
    chownSync(directory, peer.uid, peer.gid);
  } catch {
    // Not root: then only clients of our own user can connect, and they can open the files as they are.
  }
  return files;
}

function createRing(ring: string, peer: Credentials, dataBytes: number, fds: number[]): number {
  const header = createFile(`${ring}-header`, QB_HEADER.fileBytes, peer, fds);
  if (header < 0) return header;
  const data = createFile(`${ring}-data`, dataBytes, peer, fds);
  if (data < 0) return data;
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
  const written = writeFd(header, template.address, QB_HEADER.fileBytes);
  return written < 0 ? written : Math.min(writeFd(data, template.address + memory.data, 4), 0);
}

function createFile(path: string, bytes: number, peer: Credentials, fds: number[]): number {
  const fd = openFile(path, CREATE, 0o600);
  if (fd < 0) return fd;
  fds.push(fd);
  const allocated = allocateFile(fd, bytes);
  if (allocated < 0) return allocated;
  changeOwnerFd(fd, peer.uid, peer.gid); // EPERM is ignored, as in libqb
  changeModeFd(fd, 0o600);
  return fd;
}

export function closeConnectionFiles(files: ConnectionFiles): void {
  for (const fd of files.fds) closeFd(fd);
}

/** Removes files and directory; what is gone already, or was replaced by the client, does not matter. */
export function removeConnectionFiles(files: Pick<ConnectionFiles, 'directory' | 'rings'>): void {
  for (const ring of files.rings) {
    unlinkFile(`${ring}-data`);
    unlinkFile(`${ring}-header`);
  }
  try {
    rmdirSync(files.directory);
  } catch {
    // Not empty or gone: the client owns it and may have put something there.
  }
}
