import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { processExists } from '../../os/credentials.ts';
import { SHARED_MEMORY_DIRECTORY, serverPidOfDirectory } from '../names.ts';

/**
 * Removes the connection directories that daemons left behind when they were killed, ours and stock's: `qb-<server pid>-…` whose
 * process does not exist any more (libqb-ipc.md 6, trap 23). Other programs use libqb too, so only what has exactly the form of such a
 * directory, and is one, is touched. Answers the names removed.
 */
export function sweepStaleDirectories(root: string = SHARED_MEMORY_DIRECTORY): string[] {
  const removed: string[] = [];
  for (const entry of list(root)) {
    const pid = serverPidOfDirectory(entry);
    if (pid === null || processExists(pid)) continue;
    const path = join(root, entry);
    try {
      if (!lstatSync(path).isDirectory()) continue;
      rmSync(path, { recursive: true });
      removed.push(entry);
    } catch {
      // Somebody else's, or gone by now.
    }
  }
  return removed;
}

function list(root: string): string[] {
  try {
    return readdirSync(root);
  } catch {
    return [];
  }
}
