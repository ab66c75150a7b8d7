import { readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { closeFd, openDirectory, removeDirectory, tryLockOpenFile, unlinkFileIn } from '../../os/fd.ts';
import { statusOf } from '../../os/stat.ts';
import { isConnectionDirectory } from '../names.ts';
import { datagramRoot } from './datagram-files.ts';
import { DIRECTORY_MODE, UNFINISHED_MODE } from './files.ts';

const CONNECTION_FILE = /^qb-(?:(?:request|response|event)-.+-(?:header|data)|control-.+)$/;
const CONNECTION_FILES_MAX = 6;
const PERMISSIONS = 0o7777;
/** A directory without its final mode is being filled, which takes a millisecond, unless its daemon was killed in that one. */
export const UNFINISHED_MS = 10_000;

/**
 * Removes the connection directories that daemons like this one left behind when they were killed. Anybody can make directories in
 * shared memory, so: only one that this user made and that others cannot write, looked at through a descriptor of the directory itself, and
 * nothing but the files of a connection in it, by name, without going deeper. One whose daemon lives is locked: process ids say
 * nothing, because daemons of other containers may share the memory. One that was never completed tells from one that is about to be locked by
 * its age only, so it takes a sweep that is `UNFINISHED_MS` later. Those of stock's daemons carry no such mark and stay, as with stock.
 * Returns the names removed.
 */
export function sweepStaleDirectories(root: string = datagramRoot()): string[] {
  return list(root).filter((entry) => isConnectionDirectory(entry) && removeIfStale(join(root, entry)));
}

function removeIfStale(path: string): boolean {
  const fd = openDirectory(path);
  if (fd < 0) return false;
  try {
    const status = statusOf(fd);
    if (status === null || status.uid !== process.geteuid?.()) return false;
    if (!isLeft(status) || tryLockOpenFile(fd) < 0) return false;
    const names = list(`/proc/self/fd/${fd}`);
    if (names.length > CONNECTION_FILES_MAX || !names.every((name) => CONNECTION_FILE.test(name))) return false;
    for (const name of names) unlinkFileIn(fd, name);
    return removeDirectory(path) === 0;
  } finally {
    closeFd(fd);
  }
}

/** As far as mode and age tell; the lock decides. */
function isLeft({ mode, mtimeMs }: Stats): boolean {
  const permissions = mode & PERMISSIONS;
  if (permissions === DIRECTORY_MODE) return true;
  return permissions === UNFINISHED_MODE && Date.now() - mtimeMs > UNFINISHED_MS;
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
