import { basename, dirname } from 'node:path';
import { Errno, OsError } from '../../os/errno.ts';
import { closeFd, OpenFlag, openDirectory, openFileIn } from '../../os/fd.ts';
import { statusOf } from '../../os/stat.ts';
import { isConnectionDirectory, SHARED_MEMORY_DIRECTORY } from '../names.ts';

/** Where libqb puts a connection's directory: shared memory, or where its sockets are if there is none. */
const PLACES: readonly string[] = [SHARED_MEMORY_DIRECTORY, '/var/run', '/run', '/tmp'];
const NAME = /^qb-(?:[A-Za-z0-9._-]+-(?:header|data)|control-[A-Za-z0-9._-]+)$/;
const HINT = 'This is not what a daemon sends: find out which program listens on the socket';

/**
 * Opens a connection's file by the path that the server gave: a regular file of one name, as long as agreed (a shorter one would be a SIGBUS later),
 * in a connection's directory, which the server or this user made. Nothing is followed on the way. `serverUid`: who the server is.
 */
export function openConnectionFile(path: string, bytesMin: number, serverUid: number): number {
  const directoryPath = dirname(path);
  const name = basename(path);
  if (!isConnectionPlace(directoryPath) || !NAME.test(name)) {
    throw new OsError(Errno.EPROTO, `${JSON.stringify(path)} is not where the files of a connection are`, HINT);
  }
  const directory = openDirectory(directoryPath);
  if (directory < 0) throw new OsError(-directory, `opening ${directoryPath}`);
  try {
    checkOwner(directory, directoryPath, serverUid);
    const fd = openFileIn(directory, name, OpenFlag.RDWR | OpenFlag.NONBLOCK);
    if (fd < 0) throw new OsError(-fd, `opening ${path}`);
    try {
      checkFile(fd, path, bytesMin, serverUid);
      return fd;
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  } finally {
    closeFd(directory);
  }
}

/** Servers before libqb 1.0.4 have no directory for each connection. */
export function isConnectionPlace(directory: string): boolean {
  return (
    PLACES.includes(directory) || (PLACES.includes(dirname(directory)) && isConnectionDirectory(basename(directory)))
  );
}

function checkOwner(fd: number, path: string, serverUid: number): void {
  const uid = statusOf(fd)?.uid;
  if (uid !== 0 && uid !== serverUid && uid !== process.geteuid?.())
    throw new OsError(Errno.EPROTO, `${path} belongs to user ${uid}`, HINT);
}

function checkFile(fd: number, path: string, bytesMin: number, serverUid: number): void {
  checkOwner(fd, path, serverUid);
  const status = statusOf(fd);
  if (status?.isFile() !== true) throw new OsError(Errno.EPROTO, `${path} is not a regular file`, HINT);
  if (status.nlink > 1) throw new OsError(Errno.EPROTO, `${path} has more than one name`, HINT);
  if (status.size < bytesMin) {
    throw new OsError(Errno.EPROTO, `${path} has ${status.size} bytes instead of ${bytesMin}`, HINT);
  }
}
