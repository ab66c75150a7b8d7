import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';

/** As the kernel's own limit. */
const LINKS_MAX = 40;

/** Why a file is not to be trusted: which part of its path is the reason. */
export class UntrustedFile extends Error {
  override readonly name = 'UntrustedFile';
}

/**
 * The real path of a regular file that nobody but root and `uid` can change, exchange or redirect: each directory and each symbolic link
 * on the way was looked at, and no other user can change one afterwards, so the answer stays true. Throws `UntrustedFile`, or what the
 * system says about a path that is not there.
 *
 * Others may write into a directory with the sticky bit (/tmp): the kernel keeps their hands off what is not theirs there.
 */
export function trustedFile(path: string, uid: number = process.geteuid?.() ?? 0): string {
  if (!isAbsolute(path)) throw new UntrustedFile(`${path} is not an absolute path`);
  const parts = resolve(path).split('/').slice(1).reverse();
  let real = '/';
  let links = 0;
  checkDirectory(real, lstatSync(real), uid);
  while (parts.length > 0) {
    const next = join(real, parts.pop()!);
    const stat = lstatSync(next);
    checkOwner(next, stat, uid);
    if (stat.isSymbolicLink()) {
      if (++links > LINKS_MAX) throw new UntrustedFile(`${path} has too many symbolic links`);
      const target = resolve(dirname(next), readlinkSync(next));
      parts.push(...target.split('/').slice(1).reverse());
      real = '/'; // its parts are looked at from the top
    } else if (parts.length > 0 || stat.isDirectory()) {
      checkDirectory(next, stat, uid);
      real = next;
    } else {
      if (!stat.isFile()) throw new UntrustedFile(`${next} is not a regular file`);
      if ((stat.mode & 0o022) !== 0) throw new UntrustedFile(`${next} can be written by others than its owner`);
      return next;
    }
  }
  throw new UntrustedFile(`${real} is not a regular file`);
}

function checkOwner(path: string, stat: Stats, uid: number): void {
  if (stat.uid !== 0 && stat.uid !== uid) throw new UntrustedFile(`${path} belongs to user ${stat.uid}`);
}

function checkDirectory(path: string, stat: Stats, uid: number): void {
  checkOwner(path, stat, uid);
  if ((stat.mode & 0o022) !== 0 && (stat.mode & 0o1000) === 0) {
    throw new UntrustedFile(`${path} is a directory that others than its owner can write`);
  }
}
