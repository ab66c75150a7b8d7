import { linkSync, lstatSync, mkdirSync, renameSync, rmdirSync, type Stats, unlinkSync } from 'node:fs';
import { inDirectory } from './trusted-path.ts';

/**
 * Removes a name from an open directory if, and only if, it means that file; whether it did. The kernel removes what a name means at that
 * moment, whoever exchanged it. So the name is moved first, into a new directory `aside` of the same file system where only this process can change
 * anything, is looked at there, and is removed there, or moved back when it is something else. Whoever takes the name again in between
 * keeps it, and what was moved goes.
 *
 * @param aside path of that directory, which is not there yet, in a directory in which others cannot exchange it (sticky)
 * @param movedName of the file in it
 */
export function unlinkExactly(directory: number, name: string, file: Stats, aside: string, movedName: string): boolean {
  const moved = `${aside}/${movedName}`;
  const path = inDirectory(directory, name);
  try {
    mkdirSync(aside, { mode: 0o711 });
    renameSync(path, moved);
  } catch {
    tryTo(() => rmdirSync(aside));
    return false;
  }
  const found = lstatSync(moved);
  const exact = found.ino === file.ino && found.dev === file.dev;
  if (!exact) {
    if (found.isDirectory()) tryTo(() => renameSync(moved, path));
    else tryTo(() => linkSync(moved, path)); // unlike a rename it replaces nothing
  }
  tryTo(() => unlinkSync(moved));
  tryTo(() => rmdirSync(aside));
  return exact;
}

function tryTo(act: () => void): void {
  try {
    act();
  } catch {
    // nothing is left to be done about it
  }
}
