import { execFile } from 'node:child_process';
import { lookup, lookupService } from 'node:dns/promises';
import { constants } from 'node:fs';
import { access, open, opendir, readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { leaveBehind } from '../lib/left-behind.ts';
import { hostAddresses } from '../os/interfaces.ts';
import { type KeyFile, readKeyFile } from './key-material.ts';

/** What reading a configuration needs from the machine. Tests give their own. */
export interface ConfigEnvironment {
  /** The node name of uname. */
  hostname(): string;
  /** Numeric addresses of this machine, in system order, those of interfaces that are down included. */
  localAddresses(): readonly string[];
  /** Numeric addresses of a name in one family; empty when it does not resolve. */
  lookup(name: string, family: 4 | 6): Promise<readonly string[]>;
  /** Name of a numeric address, or `null`. */
  reverse(address: string): Promise<string | null>;
  readFile(path: string): Promise<Uint8Array>;
  /** The first `bytesMax` bytes of a key file (key-material.ts). */
  readKeyFile(path: string, bytesMax: number): Promise<KeyFile>;
  /** Effective user of this process. */
  ownUid(): number;
  /** Paths of the regular files of a directory and of links to such, in directory order; empty when there is no directory. */
  listFiles(directory: string): Promise<readonly string[]>;
  /** Rejects when the path cannot be opened for appending. Creates the file, as stock's check does. */
  openForAppend(path: string): Promise<void>;
  /** Rejects when the process could not change into the directory. */
  enterDirectory(path: string): Promise<void>;
  /** Id of a user or a group, or `null`. */
  accountId(kind: 'passwd' | 'group', name: string): Promise<number | null>;
}

/** A name server that does not respond costs this much at most; the look-up goes on in its own thread. */
export const LOOKUP_MS_MAX = 5_000;
/** Reverse look-ups only help to find the local node by its domain name: they are worth less waiting. */
export const REVERSE_MS_MAX = 2_000;
const GETENT_MS_MAX = 2_000;

/** The machine this process runs on. */
export function nodeEnvironment(): ConfigEnvironment {
  return {
    hostname,
    localAddresses: () => hostAddresses().map(({ address }) => address),
    lookup: async (name, family) => {
      if (isIP(name) !== 0) return isIP(name) === family ? [name] : [];
      if (name === '') return [];
      const found = lookup(name, { family, all: true, verbatim: true }).catch(() => []);
      return (await within(LOOKUP_MS_MAX, found, [])).map(({ address }) => address);
    },
    reverse: async (address) => {
      const found = lookupService(address, 0).then(
        ({ hostname: name }) => (name === address ? null : name),
        () => null,
      );
      return await within(REVERSE_MS_MAX, found, null);
    },
    readFile: (path) => readFile(path),
    readKeyFile: async (path, bytesMax) => readKeyFile(path, bytesMax),
    ownUid: () => process.geteuid?.() ?? 0,
    listFiles,
    openForAppend: async (path) => {
      const file = await open(path, 'a');
      await file.close();
    },
    enterDirectory: async (path) => {
      const directory = await opendir(path);
      await directory.close();
      await access(path, constants.X_OK);
    },
    accountId,
  };
}

/** Of what a link leads to. A link that leads nowhere is no file. */
async function isRegular(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function listFiles(directory: string): Promise<string[]> {
  const paths: string[] = [];
  try {
    for await (const entry of await opendir(directory)) {
      const path = join(directory, basename(entry.name));
      if (entry.isFile() || (entry.isSymbolicLink() && (await isRegular(path)))) paths.push(path);
    }
  } catch {
    return paths; // A missing or unreadable directory is as good as an empty one (config-and-tools.md 1.1).
  }
  return paths;
}

/** From the files first; from the other sources of the system (LDAP, …) through getent. */
async function accountId(kind: 'passwd' | 'group', name: string): Promise<number | null> {
  if (!/^[^\s:]+$/.test(name)) return null;
  const text = await readFile(`/etc/${kind}`, 'latin1').catch(() => '');
  const line = text.split('\n').find((entry) => entry.startsWith(`${name}:`)) ?? (await getent(kind, name));
  const id = line?.split(':')[2];
  return id !== undefined && /^\d+$/.test(id) ? Number(id) : null;
}

function getent(kind: string, name: string): Promise<string | null> {
  return new Promise((resolve) => {
    execFile('getent', ['--', kind, name], { timeout: GETENT_MS_MAX }, (error, stdout) => {
      resolve(error === null ? (stdout.split('\n')[0] ?? null) : null);
    });
  });
}

async function within<T>(delayMs: number, work: Promise<T>, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => {
      leaveBehind(work);
      resolve(otherwise);
    }, delayMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const REASONS: Readonly<Record<string, readonly [text: string, number: number]>> = {
  EPERM: ['Operation not permitted', 1],
  ENOENT: ['No such file or directory', 2],
  ENXIO: ['No such device or address', 6],
  EINVAL: ['Invalid argument', 22],
  EIO: ['Input/output error', 5],
  EACCES: ['Permission denied', 13],
  ENOTDIR: ['Not a directory', 20],
  EISDIR: ['Is a directory', 21],
  EMFILE: ['Too many open files', 24],
  ENOSPC: ['No space left on device', 28],
  EROFS: ['Read-only file system', 30],
  ENAMETOOLONG: ['File name too long', 36],
  ELOOP: ['Too many levels of symbolic links', 40],
};

/** What the C library says about a failed system call, and its errno. */
export function systemReason(error: unknown): { readonly text: string; readonly errno: number } {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = REASONS[code];
  if (known !== undefined) return { text: known[0], errno: known[1] };
  const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : 0;
  return { text: error instanceof Error ? error.message : String(error), errno };
}
