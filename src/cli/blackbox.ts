import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { bareMessage } from '../client/errors.ts';
import { RondoError } from '../lib/errors.ts';
import { BLACKBOX_BYTES_MAX, type BlackboxContents, readBlackbox } from '../observe/log/blackbox-reader.ts';

/** What the daemon leaves in its state directory: a link to the newest flight data. */
export const BLACKBOX_FILE = 'fdata';

/** Names of the priorities, as libqb shows them. */
export const PRIORITIES = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug', 'trace'] as const;

export const priorityName = (priority: number): string => PRIORITIES[Math.min(priority, PRIORITIES.length - 1)]!;

/** Reads the file of a daemon that ended, or of a running one that was asked to write it. */
export function loadBlackbox(path: string): BlackboxContents {
  try {
    return readBlackbox(bytesOf(path));
  } catch (error) {
    if (error instanceof RondoError && !error.message.includes(path))
      throw new RondoError('RONDO_BLACKBOX', `${path}: ${bareMessage(error)}`, error.hint);
    if (error instanceof RondoError || !(error instanceof Error && 'code' in error)) throw error;
    if (error.code !== 'ENOENT') throw new RondoError('RONDO_BLACKBOX', error.message);
    throw new RondoError(
      'RONDO_BLACKBOX',
      `there is no ${path}: no daemon has written its last log lines yet`,
      'A running one does when asked: rondo blackbox dump',
    );
  }
}

/** Of a regular file only, and not for ever: root may look at what somebody else has put there, a pipe or a device. */
function bytesOf(path: string): Uint8Array {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new RondoError('RONDO_BLACKBOX', `${path} is not a regular file`);
    if (stat.size > BLACKBOX_BYTES_MAX)
      throw new RondoError('RONDO_BLACKBOX', `${path} has ${stat.size} bytes, more than any flight data`);
    const bytes = new Uint8Array(stat.size);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got)
      got = readSync(fd, bytes, length, bytes.length - length, length);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
