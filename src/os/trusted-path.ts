import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, type Stats } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** As the kernel: more links than this are a circle. */
const LINKS_MAX = 40;
/** Linux; not among Node's constants. */
const O_PATH = 0o10000000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** An error of a file operation, as Node's own ones look. */
export class PathError extends Error {
  constructor(
    readonly code: 'ELOOP' | 'EINVAL' | 'EISDIR',
    readonly errno: number,
    readonly path: string,
    text: string,
  ) {
    super(`${code}: ${text}, '${path}'`);
  }
}

/** The directory that holds the last name of a path, open; whoever gets it closes it. */
export interface Place {
  readonly directory: number;
  readonly name: string;
  /** Nobody but root and this process's user can make, remove or rename anything there. */
  readonly trusted: boolean;
}

/** Path of a name below an open directory: what `openat` would take. */
export const inDirectory = (directory: number, name: string): string => `/proc/self/fd/${directory}/${name}`;

/**
 * Walks to the last name of a path, from directory to directory by descriptors, so that nobody can exchange a part of the path meanwhile.
 * A symbolic link is followed only if root or this process's user made it, and nobody else can have put it there: what an administrator links
 * works, and nobody else redirects what a daemon with root's rights opens.
 */
export function findPlace(path: string): Place {
  return naming(path, () => walk(path, ownUid()));
}

/** The same for the name itself, which is to be made, removed or exchanged: what a link of that name leads to is not meant. */
export function findName(path: string): Place {
  return naming(path, () => walk(path, ownUid(), () => {}, 'kept'));
}

/** Hears of every directory and every symbolic link on the way, before it is gone into. */
type Inspection = (stat: Stats, where: () => string) => void;

function walk(
  path: string,
  uid: number,
  inspect: Inspection = () => {},
  lastLink: 'followed' | 'kept' = 'followed',
): Place {
  const rest = path.split('/').filter((name) => name !== '' && name !== '.');
  let directory = openSync(path.startsWith('/') ? '/' : '.', DIRECTORY);
  let links = 0;
  try {
    for (;;) {
      const name = rest.shift();
      if (name === undefined) throw new PathError('EISDIR', 21, path, 'it is a directory');
      const here = fstatSync(directory);
      const trusted = isTrustedDirectory(here, uid);
      inspect(here, () => realPath(directory));
      const stat = statNoFollow(directory, name);
      if (stat?.isSymbolicLink() === true && (rest.length > 0 || lastLink === 'followed')) {
        inspect(stat, () => realPath(directory, name));
        if (!mayFollow(stat, trusted, uid))
          throw new PathError('ELOOP', 40, path, `symbolic link ${name} of another user`);
        if (++links > LINKS_MAX) throw new PathError('ELOOP', 40, path, 'too many symbolic links');
        const target = readlinkSync(inDirectory(directory, name));
        rest.unshift(...target.split('/').filter((part) => part !== '' && part !== '.'));
        if (target.startsWith('/')) directory = step(directory, '/');
      } else if (rest.length === 0 && name !== '..') {
        const found = { directory, name, trusted };
        directory = -1;
        return found;
      } else directory = step(directory, inDirectory(directory, name));
    }
  } finally {
    if (directory >= 0) closeSync(directory);
  }
}

/** Errors name the path as it was given, not the descriptor that it went through. */
export function naming<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof Error && !(error instanceof PathError))
      error.message = error.message.replace(/'\/proc\/self\/fd\/[^']*'(?: -> '\/proc\/self\/fd\/[^']*')?/, `'${path}'`);
    throw error;
  }
}

/** Opens the next directory and closes the one before. */
function step(directory: number, path: string): number {
  const next = openSync(path, DIRECTORY);
  closeSync(directory);
  return next;
}

function statNoFollow(directory: number, name: string): Stats | null {
  return lstatSync(inDirectory(directory, name), { throwIfNoEntry: false }) ?? null;
}

/** What an open directory, or a name in it, is called now. */
function realPath(directory: number, name = ''): string {
  const path = readlinkSync(`/proc/self/fd/${directory}`);
  return name === '' ? path : join(path, name);
}

const ownUid = (): number => process.geteuid?.() ?? 0;
const isOurs = (owner: number, uid: number): boolean => owner === 0 || owner === uid;

function isTrustedDirectory({ uid: owner, gid, mode }: Stats, uid: number): boolean {
  return isOurs(owner, uid) && (mode & 0o002) === 0 && ((mode & 0o020) === 0 || gid === 0);
}

/** With a second name it may be one of root's links that somebody hung up here. */
const mayFollow = (link: Stats, trusted: boolean, uid: number): boolean =>
  isOurs(link.uid, uid) && (trusted || link.nlink === 1);

/** Why a file is not to be trusted: which part of its path is the reason. */
export class UntrustedFile extends Error {
  override readonly name = 'UntrustedFile';
}

/**
 * The real path of a regular file that nobody but root and `uid` can change, exchange or redirect: each directory and each symbolic link
 * on the way was looked at, and no other user can change one afterwards, so that the path stays good. Throws `UntrustedFile`, or what the
 * system says about a path that is not there.
 *
 * Others may write into a directory with the sticky bit (/tmp): the kernel keeps their hands off what is not theirs there.
 */
export function trustedFile(path: string, uid: number = ownUid()): string {
  if (!isAbsolute(path)) throw new UntrustedFile(`${path} is not an absolute path`);
  const inspect: Inspection = (stat, where) => {
    if (!isOurs(stat.uid, uid)) throw new UntrustedFile(`${where()} belongs to user ${stat.uid}`);
    if (stat.isDirectory() && (stat.mode & 0o022) !== 0 && (stat.mode & 0o1000) === 0)
      throw new UntrustedFile(`${where()} is a directory that others than its owner can write`);
  };
  return naming(path, () => {
    const { directory, name } = walk(path, uid, inspect);
    try {
      const real = realPath(directory, name);
      const stat = lstatSync(inDirectory(directory, name));
      inspect(stat, () => real);
      if (!stat.isFile()) throw new UntrustedFile(`${real} is not a regular file`);
      if ((stat.mode & 0o022) !== 0) throw new UntrustedFile(`${real} can be written by others than its owner`);
      return real;
    } finally {
      closeSync(directory);
    }
  });
}

/** What `openTrusted` may open besides regular files. */
export type FileKind = 'regular' | 'orDevice';

/**
 * Opens a file that is, or becomes, a regular one, or a device of root's; never waits (a FIFO would), never follows a link of another user.
 * Where others can write into the directory, a file with a second name is refused: it may be anybody's.
 */
export function openTrusted(path: string, flags: number, mode: number, kind: FileKind = 'regular'): number {
  const place = findPlace(path);
  const safe = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
  try {
    const fd = naming(path, () => openSync(inDirectory(place.directory, place.name), flags | safe, mode));
    try {
      checkFile(path, place, fd, kind);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  } finally {
    closeSync(place.directory);
  }
}

function checkFile(path: string, { directory, name, trusted }: Place, fd: number, kind: FileKind): void {
  const stat = fstatSync(fd);
  if (kind === 'orDevice' && trusted && stat.isCharacterDevice()) return;
  if (!stat.isFile()) throw new PathError('EINVAL', 22, path, 'not a regular file');
  if (trusted) return;
  const named = statNoFollow(directory, name);
  const only = stat.nlink === 1 && named?.ino === stat.ino && named.dev === stat.dev && fstatSync(fd).nlink === 1;
  if (!only) throw new PathError('EINVAL', 22, path, 'the file has more than one name');
}

/** Names of this process's own output, as container images give them for a log file. */
const OWN_OUTPUT: ReadonlyMap<string, string> = new Map([
  ['/dev/stdout', '/proc/self/fd/1'],
  ['/dev/stderr', '/proc/self/fd/2'],
]);
/** Of a log file that is made: its owner writes, its group reads. Tools run as root; others have `syslog`. */
export const LOG_FILE_MODE = 0o640;

/** A log file, open for appending, without waiting. */
export function openLogFile(path: string): number {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
  const own = OWN_OUTPUT.get(path);
  if (own !== undefined) return openSync(own, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
  return openTrusted(path, flags, LOG_FILE_MODE, 'orDevice');
}
