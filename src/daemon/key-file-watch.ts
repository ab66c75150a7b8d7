import { statSync } from 'node:fs';
import { keyId, readKeyFile } from '../config/key-material.ts';
import { KEY_BYTES_MAX } from '../lib/knet-facts.ts';

/** Knows the id of the key in a file, and reads the file again only when it has changed. */
export class KeyFileWatch {
  private seen = '';
  private known = '';

  /** `path`: of the file; `null`: the ring has no key file. */
  constructor(private readonly path: () => string | null) {}

  /** Empty: there is no key to be read. */
  id(): string {
    const path = this.path();
    const stamp = path === null ? '' : stampOf(path);
    if (stamp === this.seen) return this.known;
    this.seen = stamp;
    this.known = path === null || stamp === '' ? '' : idOf(path);
    return this.known;
  }
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${path} ${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
}

function idOf(path: string): string {
  try {
    const { bytes } = readKeyFile(path, KEY_BYTES_MAX);
    const id = keyId(bytes);
    bytes.fill(0);
    return id;
  } catch {
    return ''; // the daemon's next reload says why
  }
}
