import { randomBytes } from 'node:crypto';
import { lstatSync, readSync, type Stats, writeSync } from 'node:fs';
import { isPrivileged } from '../../ipc/server/limits.ts';
import type { QuotaUser, UserQuota } from '../../lib/user-quota.ts';
import { errnoName } from '../../os/errno.ts';
import { closeFd, OpenFlag, openDirectory, openFileIn } from '../../os/fd.ts';
import { getLimit } from '../../os/schedule.ts';
import { statusOf } from '../../os/stat.ts';
import { inDirectory } from '../../os/trusted-path.ts';
import { unlinkExactly } from '../../os/unlink-exactly.ts';
import type { ZeroCopyRegions } from '../../services/cpg/cpg-host.ts';
import { zeroCopyQuota } from './zero-copy-limits.ts';

/** The names that libcpg makes (mkstemp), and where: the daemon removes nothing else. */
const DIRECTORY = '/dev/shm';
const PATH = /^\/dev\/shm\/(corosync_zerocopy-[0-9A-Za-z]{6})$/;
/** Where a name is looked at before it is removed: a directory that the next start would sweep, with a name that nobody can have taken. */
const ASIDE = {
  prefix: `${DIRECTORY}/qb-${process.pid}-0-0-`,
  fileName: 'qb-request-zerocopy-data',
  digits: 6,
} as const;
const OPEN = OpenFlag.RDWR | OpenFlag.NONBLOCK;
const TOKEN_AT = 8;
const MESSAGE_BYTES_AT = 48;
const MESSAGE_AT = 56;
const MESSAGE_BYTES_MAX = 1 << 20;
/** What one read gets: most messages are shorter, and need no second one. */
const FIRST_READ_BYTES = MESSAGE_AT + 16_384;

interface Client {
  readonly user: QuotaUser;
  /** Open files by token. */
  readonly regions: Map<bigint, number>;
}

/**
 * Zero-copy buffers of clients. The client maps the file; this side reads it with positioned reads: a mapping of a file that a client
 * may shorten at any time would be a SIGBUS waiting to happen. (One copy more than stock, for calls that later releases of stock
 * abolished.)
 *
 * libcpg does not look at the status of an allocation and never removes its file: whatever is returned, the service deletes the file. The daemon runs as
 * root, so it must be a regular file of that client's user, directly in shared memory, with a name as libcpg makes them. That file is removed
 * and no other, whatever its owner puts in its place meanwhile (`unlinkExactly`).
 */
export class ZeroCopyFiles implements ZeroCopyRegions {
  private readonly clients = new Map<number, Client>();
  private readonly message = new Uint8Array(MESSAGE_AT + MESSAGE_BYTES_MAX);
  private readonly messageView = new DataView(this.message.buffer);
  private readonly tokenBytes = new BigUint64Array(1);
  private readonly tokenOctets = new Uint8Array(this.tokenBytes.buffer);
  private lastToken = 0n;
  /** Open from the start: it is needed most when no descriptor is left. */
  private readonly directory = openDirectory(DIRECTORY);

  /** `userOf`: effective user of a connection's client. `refused` hears why a buffer was not taken: the client does not. */
  constructor(
    private readonly userOf: (connectionId: number) => number,
    private readonly refused: (connectionId: number, reason: string) => void = () => {},
    private readonly quota: UserQuota = zeroCopyQuota(getLimit('NOFILE').soft),
  ) {}

  dispose(): void {
    closeFd(this.directory);
  }

  open(connectionId: number, path: string, mapBytes: number): boolean {
    const name = PATH.exec(path)?.[1];
    if (name === undefined) return this.refuse(connectionId, 'its path is not one that libcpg makes');
    const uid = this.userOf(connectionId);
    const { fd, own } = takeFile(this.directory, name, uid);
    const user = { uid, privileged: isPrivileged(uid) };
    const reason = this.keep(connectionId, user, fd, own, mapBytes);
    if (reason === null) return true;
    if (fd >= 0) closeFd(fd);
    return this.refuse(connectionId, reason);
  }

  /** Why the open file is not taken, or `null`. */
  private keep(connectionId: number, user: QuotaUser, fd: number, own: boolean, mapBytes: number): string | null {
    if (fd < 0) return `its file cannot be opened: ${errnoName(fd)}`;
    if (!own) return 'its file is not a regular file of its user';
    if (mapBytes < MESSAGE_AT) return `${mapBytes} bytes are too few`;
    if (!this.quota.tryTake(user)) return `there are enough (${this.quota.limits.all} in all)`;
    const token = ++this.lastToken;
    this.tokenBytes[0] = token;
    try {
      writeSync(fd, this.tokenOctets, 0, 8, TOKEN_AT);
    } catch (error) {
      this.quota.give(user);
      return `its token cannot be written: ${(error as NodeJS.ErrnoException).code ?? error}`;
    }
    let client = this.clients.get(connectionId);
    if (client === undefined) {
      client = { user, regions: new Map() };
      this.clients.set(connectionId, client);
    }
    client.regions.set(token, fd);
    return null;
  }

  private refuse(connectionId: number, reason: string): false {
    this.refused(connectionId, reason);
    return false;
  }

  read(connectionId: number, token: bigint): Uint8Array | null {
    const fd = this.clients.get(connectionId)?.regions.get(token);
    if (fd === undefined) return null;
    const { message } = this;
    try {
      let bytes = readSync(fd, message, 0, FIRST_READ_BYTES, 0);
      if (bytes < MESSAGE_AT) return null;
      const length = this.messageView.getUint32(MESSAGE_BYTES_AT, true);
      if (length > MESSAGE_BYTES_MAX) return null;
      const end = MESSAGE_AT + length;
      if (bytes === FIRST_READ_BYTES && bytes < end) bytes += readSync(fd, message, bytes, end - bytes, bytes);
      return end <= bytes ? message.subarray(MESSAGE_AT, end) : null;
    } catch {
      return null;
    }
  }

  close(connectionId: number, token: bigint): void {
    const client = this.clients.get(connectionId);
    const fd = client?.regions.get(token);
    if (client === undefined || fd === undefined) return;
    client.regions.delete(token);
    this.quota.give(client.user);
    closeFd(fd);
  }

  closeAll(connectionId: number): void {
    const client = this.clients.get(connectionId);
    if (client === undefined) return;
    for (const token of client.regions.keys()) this.close(connectionId, token);
    this.clients.delete(connectionId);
  }
}

/** Opens a client's file, and removes its name if it is his own; a file that cannot be opened, for want of descriptors for example, too. */
function takeFile(directory: number, name: string, uid: number): { readonly fd: number; readonly own: boolean } {
  const fd = openFileIn(directory, name, OPEN);
  const named = statusOfName(directory, name);
  const status = fd < 0 ? named : statusOf(fd);
  const own = status?.isFile() === true && status.uid === uid;
  if (own) unlinkExactly(directory, name, status, asidePath(), ASIDE.fileName);
  return { fd, own };
}

const asidePath = (): string => ASIDE.prefix + randomBytes(ASIDE.digits).toString('hex').slice(0, ASIDE.digits);

function statusOfName(directory: number, name: string): Stats | null {
  try {
    return lstatSync(inDirectory(directory, name));
  } catch {
    return null;
  }
}
