import { readFileSync, statSync } from 'node:fs';
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
    const { size } = statSync(path);
    if (size > BLACKBOX_BYTES_MAX)
      throw new RondoError('RONDO_BLACKBOX', `${path} has ${size} bytes, more than any flight data`);
    return readBlackbox(readFileSync(path));
  } catch (error) {
    if (error instanceof RondoError || !(error instanceof Error && 'code' in error)) throw error;
    if (error.code !== 'ENOENT') throw new RondoError('RONDO_BLACKBOX', error.message);
    throw new RondoError(
      'RONDO_BLACKBOX',
      `there is no ${path}: no daemon has written its last log lines yet`,
      'A running one does when asked: rondo blackbox dump',
    );
  }
}
