import { createHash, createHmac, randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

const SALT_BYTES = 32;
/** Of this process only, so that a fingerprint says nothing about its key to anybody who sees it. */
let salt: Uint8Array | null = null;

/**
 * The ring's key: bytes in memory of their own, never a string, because a string cannot be overwritten. Whoever has it
 * wipes it as soon as it is handed on; what stays in the configuration is its fingerprint.
 */
export class KeyMaterial {
  /** The same for the same bytes in this process, and for nothing else. */
  readonly fingerprint: string;
  /** The same for the same bytes everywhere (`keyId`). */
  readonly id: string;
  private wiped = false;

  /** Takes the bytes over: nobody else keeps them. */
  constructor(private readonly memory: Uint8Array) {
    salt ??= randomBytes(SALT_BYTES);
    this.fingerprint = createHmac('sha256', salt).update(memory).digest('hex');
    this.id = keyId(memory);
  }

  /** `null` once it is wiped. */
  get bytes(): Uint8Array | null {
    return this.wiped ? null : this.memory;
  }

  wipe(): void {
    this.wiped = true;
    this.memory.fill(0);
  }
}

const ID_LABEL = 'rondo key id';
const ID_CHARACTERS = 16;

/**
 * Short digest by which nodes compare keys. It says nothing about a key that was made by chance (128 bytes and more); of one that can be guessed it
 * tells who sees it whether the guess was right, as every packet does that the key has sealed.
 */
export const keyId = (bytes: Uint8Array): string =>
  createHash('sha256').update(ID_LABEL).update(bytes).digest('hex').slice(0, ID_CHARACTERS);

/** A key file as it lies on the disk. */
export interface KeyFile {
  /** At most as many as were asked for, in memory of their own. */
  readonly bytes: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The first bytes of a key file, read straight into memory that is not shared with anything (readFile joins pieces and
 * leaves them behind). Throws the error of the system; a device or a pipe is no key file, and opening one must not wait.
 */
export function readKeyFile(path: string, bytesMax: number): KeyFile {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() && !stat.isDirectory()) throw new NotAKeyFile('Not a regular file');
    const memory = new Uint8Array(bytesMax);
    let length = 0;
    for (let got = 1; got > 0 && length < bytesMax; length += got) {
      got = readSync(fd, memory, length, bytesMax - length, null); // of a directory: EISDIR, as with stock
    }
    return { bytes: memory.subarray(0, length), mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
  } finally {
    closeSync(fd);
  }
}

/** Its message takes the place of what the system says about a failed call. */
export class NotAKeyFile extends Error {
  override readonly name = 'NotAKeyFile';
}

/** Who may do more with a key file than its owner should let them; `null`: nobody. */
export function keyFileExposure({ mode, uid, gid }: Omit<KeyFile, 'bytes'>, ownUid: number): string | null {
  if (uid !== 0 && uid !== ownUid) return `it belongs to user ${uid}`;
  if ((mode & 0o002) !== 0) return 'everybody can write it';
  if ((mode & 0o004) !== 0) return 'everybody can read it';
  if (gid !== 0 && (mode & 0o020) !== 0) return `group ${gid} can write it`;
  if (gid !== 0 && (mode & 0o040) !== 0) return `group ${gid} can read it`;
  return null;
}
