import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { findName, findPlace, inDirectory, naming, openTrusted, type Place } from './trusted-path.ts';

/** Files that the daemon keeps for itself: small, its own, never somebody else's by way of a link. */

/** The bytes of a regular file, at most `bytesMax`; `null` when there is none. */
export function readOwnFile(path: string, bytesMax: number): Uint8Array | null {
  let fd: number;
  try {
    fd = openTrusted(path, constants.O_RDONLY, 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  try {
    const bytes = new Uint8Array(bytesMax);
    return bytes.subarray(0, readSync(fd, bytes, 0, bytesMax, 0));
  } finally {
    closeSync(fd);
  }
}

/** Makes a file; one that is there, or a link, is an error. `durable`: waits for the disk. */
export function createOwnFile(path: string, bytes: Uint8Array, mode: number, durable = true): void {
  at(findName(path), path, ({ directory, name }) => writeNew(inDirectory(directory, name), bytes, mode, durable));
}

/** For whom root makes a file. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Replaces a file as a whole, and durably: after a crash it has the old bytes or the new ones. It has its owner before it has its name. */
export function replaceOwnFile(path: string, bytes: Uint8Array, mode: number, owner: FileOwner | null = null): void {
  at(findPlace(path), path, ({ directory, name }) => {
    const temporary = inDirectory(directory, `${name}.tmp`);
    removeName(temporary); // left by a crash, or planted: the name is removed, what it points to stays
    try {
      writeNew(temporary, bytes, mode, true, owner);
      renameSync(temporary, inDirectory(directory, name));
    } catch (error) {
      removeName(temporary);
      throw error;
    }
    const fd = openSync(`/proc/self/fd/${directory}/.`, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
}

/** Makes a directory for an owner; one that is there stays as it is. Whoever may write beside it cannot have another one given away. */
export function makeOwnDirectory(path: string, mode: number, owner: FileOwner | null): void {
  at(findPlace(path), path, ({ directory, name }) => {
    const made = inDirectory(directory, name);
    try {
      mkdirSync(made, mode);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
      throw error;
    }
    if (owner === null) return;
    const fd = openSync(made, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      if (fstatSync(fd).uid === process.geteuid?.()) fchownSync(fd, owner.uid, owner.gid);
    } finally {
      closeSync(fd);
    }
  });
}

/** Makes a link beside `path`, or moves it, in one step. */
export function replaceLink(path: string, target: string): void {
  at(findName(path), path, ({ directory, name }) => {
    const next = inDirectory(directory, `${name}.${process.pid}`);
    removeName(next);
    symlinkSync(target, next);
    renameSync(next, inDirectory(directory, name));
  });
}

/** Removes a name, whatever it is; no link is followed. */
export function removeOwnFile(path: string): void {
  at(findName(path), path, ({ directory, name }) => removeName(inDirectory(directory, name)));
}

/**
 * Removes a directory with all that is in it, in a place where others can make names, too: only one that this user made and that nobody else can
 * write into. Whatever else has the name stays: a removal with root's rights that goes down into what somebody else made can be led elsewhere
 * by exchanging a directory for a link meanwhile. Returns whether it is gone.
 */
export function removeOwnDirectory(path: string): boolean {
  let stat: Stats;
  try {
    stat = lstatSync(path);
  } catch {
    return true;
  }
  if (!stat.isDirectory() || stat.uid !== process.geteuid?.() || (stat.mode & 0o022) !== 0) return false;
  rmSync(path, { recursive: true, force: true });
  return true;
}

/** Why others could change what a directory holds; `null`: they cannot. Members of `group` may. */
export function exposure(directory: string, group = 0): string | null {
  const { uid, gid, mode } = statSync(directory);
  if (uid !== 0 && uid !== process.geteuid?.()) return `belongs to user ${uid}`;
  if ((mode & 0o002) !== 0 && (mode & 0o1000) === 0) return 'can be written by everybody';
  if ((mode & 0o020) !== 0 && gid !== 0 && gid !== group) return `can be written by group ${gid}`;
  return null;
}

function at(place: Place, path: string, act: (place: Place) => void): void {
  try {
    naming(path, () => act(place));
  } finally {
    closeSync(place.directory);
  }
}

function removeName(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

function writeNew(path: string, bytes: Uint8Array, mode: number, durable = true, owner: FileOwner | null = null): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(path, flags, mode);
  try {
    if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    if (durable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
