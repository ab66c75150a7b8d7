import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { tryLockOpenFile } from './fd.ts';
import { exposure, removeOwnDirectory } from './own-file.ts';

/** Files of a moment that hold keys: no file here is larger. */
const WIPED_BYTES_MAX = 64 << 20;
const PREFIX = 'keys-';
const NAME = /^keys-\w{6}$/;

/**
 * Calls `act` with a directory that nobody else can read, in `parent`, which is named by the caller and never by the environment: for programs that take and
 * give keys as files only. Afterwards the files are overwritten and removed; what a process left that died meanwhile, the next call removes. Throws when
 * others could exchange it, but for the group of this process, which is given keys by way of it.
 */
export function inPrivateDirectory<T>(parent: string, act: (directory: string) => T): T {
  const problem = exposure(parent, process.getegid?.());
  if (problem !== null) throw new Error(`${parent} ${problem}: keys are not written there`);
  removeAbandoned(parent);
  const directory = mkdtempSync(join(parent, PREFIX));
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    tryLockOpenFile(fd); // as long as this process lives
    return act(directory);
  } finally {
    wipe(directory);
    closeSync(fd);
  }
}

/** Those that no living process has locked. */
function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!NAME.test(name)) continue;
    const path = join(parent, name);
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } catch {
      continue; // no directory, or somebody else's
    }
    try {
      if (fstatSync(fd).uid === process.geteuid?.() && tryLockOpenFile(fd) === 0) wipe(path);
    } finally {
      closeSync(fd);
    }
  }
}

function wipe(directory: string): void {
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name);
    if (lstatSync(path).isFile()) overwrite(path);
  }
  removeOwnDirectory(directory);
}

function overwrite(path: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    const { size } = fstatSync(fd);
    writeSync(fd, new Uint8Array(Math.min(size, WIPED_BYTES_MAX)), 0);
    ftruncateSync(fd, 0);
  } finally {
    closeSync(fd);
  }
}
