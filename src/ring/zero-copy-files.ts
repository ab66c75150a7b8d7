import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { ZeroCopyRegions } from '../services/cpg/cpg-host.ts';

/** Where libcpg makes its files (services.md 4.7): shared memory, or the run directory of the state. */
const DIRECTORIES: readonly string[] = ['/dev/shm', '/run', '/var/run', '/var/lib/run'];
const NAME_PREFIX = 'corosync_zerocopy-';
const HEADER_BYTES = 56;
const TOKEN_AT = 8;
const MESSAGE_BYTES_AT = 48;
const MESSAGE_AT = 56;
const MAP_BYTES_MAX = (1 << 20) + 4096;
/** Files that one client may hold. */
const REGIONS_MAX = 64;

interface Region {
  readonly connectionId: number;
  readonly fd: number;
  readonly mapBytes: number;
}

/**
 * Zero-copy buffers of clients. The client maps the file; this side reads it with positioned reads: a mapping of a file that a client
 * may shorten at any time would be a SIGBUS waiting to happen. (One copy more than stock, for calls that later releases of stock
 * abolished.) A client may only name a file of its own, where the library puts them: the daemon runs as root and removes the name.
 */
export class ZeroCopyFiles implements ZeroCopyRegions {
  private readonly regions = new Map<bigint, Region>();
  private readonly message = new Uint8Array(MAP_BYTES_MAX);
  private nextToken = 1n;

  /** `ownerOf`: effective user of a connection's client. */
  constructor(private readonly ownerOf: (connectionId: number) => number) {}

  open(connectionId: number, path: string, mapBytes: number): boolean {
    if (mapBytes < HEADER_BYTES || mapBytes > MAP_BYTES_MAX) return false;
    if (!DIRECTORIES.includes(dirname(path)) || !basename(path).startsWith(NAME_PREFIX)) return false;
    if (this.of(connectionId).length >= REGIONS_MAX) return false;
    let fd = -1;
    try {
      const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants;
      fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
      const { uid } = fstatSync(fd);
      if (!fstatSync(fd).isFile() || uid !== this.ownerOf(connectionId)) throw new Error('not a file of the client');
      unlinkSync(path);
      ftruncateSync(fd, mapBytes);
      const token = this.nextToken++;
      writeSync(fd, new Uint8Array(BigUint64Array.of(token).buffer), 0, 8, TOKEN_AT);
      this.regions.set(token, { connectionId, fd, mapBytes });
      return true;
    } catch {
      if (fd >= 0) closeSync(fd);
      return false;
    }
  }

  read(connectionId: number, token: bigint): Uint8Array | null {
    const region = this.regions.get(token);
    if (region === undefined || region.connectionId !== connectionId) return null;
    try {
      const bytes = readSync(region.fd, this.message, 0, region.mapBytes, 0);
      if (bytes < HEADER_BYTES) return null;
      const length = new DataView(this.message.buffer).getUint32(MESSAGE_BYTES_AT, true);
      return length <= bytes - MESSAGE_AT ? this.message.subarray(MESSAGE_AT, MESSAGE_AT + length) : null;
    } catch {
      return null;
    }
  }

  close(connectionId: number, token: bigint): void {
    const region = this.regions.get(token);
    if (region === undefined || region.connectionId !== connectionId) return;
    this.regions.delete(token);
    closeSync(region.fd);
  }

  closeAll(connectionId: number): void {
    for (const [token, { fd }] of this.of(connectionId)) {
      this.regions.delete(token);
      closeSync(fd);
    }
  }

  private of(connectionId: number): readonly [bigint, Region][] {
    return [...this.regions].filter(([, region]) => region.connectionId === connectionId);
  }
}
