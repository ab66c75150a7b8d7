import { type FileHandle, mkdir, open, readdir, readFile, rename, stat, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeMessagePack, encodeMessagePack, type MessagePackValue } from '../../client/message-pack.ts';
import { Errno, errnoName } from '../../os/errno.ts';
import { tryLockOpenFile } from '../../os/fd.ts';
import { StoreError } from '../errors.ts';
import type { PersistRecord } from './core.ts';
import type { Base } from './messages.ts';
import { encodeRecord, scanRecords } from './record-file.ts';
import { baseOf } from './recovery.ts';

export interface StoreOptions {
  /** A directory of this member alone, which is made when it is missing. */
  readonly directory: string;
  /** Whether what is confirmed survives a loss of power, too, not only the death of every process. Default `true`. */
  readonly sync?: boolean;
}

const FILE = /^log-(\d{10})$/;
const fileName = (generation: number): string => `log-${String(generation).padStart(10, '0')}`;
const LOCK_FILE = 'lock';
/** Longer logs are replaced by the state that they lead to. */
const LOG_BYTES_MAX = 8 << 20;

/**
 * What a member has, on disk: a file of records, which begins with a state; a longer one is replaced by the next. A record is safe when it
 * is written, or with `sync` when the disk has confirmed it, and only then the others are notified.
 */
export class Store {
  private queue: PersistRecord[] = [];
  private safe = 0;
  private writing: Promise<void> | null = null;
  private failed = false;
  private closed: Promise<void> | null = null;

  private constructor(
    private readonly directory: string,
    private readonly sync: boolean,
    private file: FileHandle,
    private generation: number,
    private bytes: number,
    private readonly lock: FileHandle,
  ) {}

  /** Set by the owner before the first `append`. `calls`: how many records are safe. */
  onSafe: (calls: number) => void = () => {};
  onFailed: (error: Error) => void = () => {};

  /** @throws StoreError: another process has the directory, or what it holds is damaged. */
  static async open({ directory, sync = true }: StoreOptions): Promise<{ store: Store; base: Base | null }> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await refuseExposed(directory);
    const lock = await takeLock(join(directory, LOCK_FILE));
    try {
      const generations = (await readdir(directory)).flatMap((name) => {
        const [, number] = FILE.exec(name) ?? [];
        return number === undefined ? [] : [Number(number)];
      });
      const generation = Math.max(0, ...generations);
      for (const old of generations) if (old < generation) await unlink(join(directory, fileName(old)));
      const path = join(directory, fileName(generation));
      const { records, end } = await readRecords(path);
      if (end !== null) await truncate(path, end);
      const file = await open(path, 'a', 0o600);
      if (sync) await syncDirectory(directory);
      return { store: new Store(directory, sync, file, generation, end ?? 0, lock), base: baseOf(records) };
    } catch (error) {
      await lock.close();
      throw error;
    }
  }

  append(record: PersistRecord): void {
    if (this.failed || this.closed !== null) return;
    this.queue.push(record);
    this.writing ??= this.write();
  }

  /** Whether the log is so long that a `base` should follow. */
  get isLong(): boolean {
    return this.bytes > LOG_BYTES_MAX;
  }

  /** Also after a failure: the directory is free for a next life then. */
  close(): Promise<void> {
    this.closed ??= this.end();
    return this.closed;
  }

  private async end(): Promise<void> {
    await this.writing;
    await this.file.close();
    await this.lock.close();
  }

  private async write(): Promise<void> {
    await null; // what is appended in one go is written in one go
    try {
      while (this.queue.length > 0) {
        const records = this.queue;
        this.queue = [];
        const last = records.findLastIndex(({ kind }) => kind === 'base');
        if (last >= 0) await this.begin(records[last]!);
        await this.put(records.slice(last + 1));
        this.safe += records.length;
        this.onSafe(this.safe);
      }
    } catch (error) {
      this.failed = true;
      this.onFailed(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.writing = null;
    }
  }

  private async put(records: readonly PersistRecord[]): Promise<void> {
    if (records.length === 0) return;
    const bytes = Buffer.concat(records.map(encoded));
    await writeAll(this.file, bytes);
    this.bytes += bytes.length;
    if (this.sync) await this.file.datasync();
  }

  /** The next file begins with a state. It gets its name when it is whole, so that there is always one that is. */
  private async begin(base: PersistRecord): Promise<void> {
    const path = join(this.directory, fileName(this.generation + 1));
    const file = await open(`${path}.new`, 'w', 0o600);
    const bytes = encoded(base);
    await writeAll(file, bytes);
    if (this.sync) await file.datasync();
    await rename(`${path}.new`, path);
    if (this.sync) await syncDirectory(this.directory);
    const old = this.file;
    this.file = file;
    this.generation++;
    this.bytes = 0;
    await old.close();
    await unlink(join(this.directory, fileName(this.generation - 1)));
  }
}

const encoded = (record: PersistRecord): Uint8Array =>
  encodeRecord(encodeMessagePack(record as unknown as MessagePackValue));

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

async function readRecords(path: string): Promise<{ records: PersistRecord[]; end: number | null }> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { records: [], end: null };
    throw error;
  }
  const { payloads, end, damaged } = scanRecords(bytes);
  if (damaged) {
    throw new StoreError(
      'RONDO_STORE_DAMAGED',
      `${path} is damaged at byte ${end}`,
      'The disk changed what was stored. Remove the directory: the state comes from the other members, if they have it',
    );
  }
  return { records: payloads.map((payload) => decodeMessagePack(payload) as unknown as PersistRecord), end };
}

/** Where others make names, a link in place of the lock or of a log would lead into this program's other files. */
async function refuseExposed(directory: string): Promise<void> {
  const { uid, gid, mode } = await stat(directory);
  const own = uid === process.geteuid?.() || uid === 0;
  const others = (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== process.getegid?.() && gid !== 0);
  if (own && !others) return;
  throw new StoreError(
    'RONDO_STORE_EXPOSED',
    `${directory} ${own ? 'can be written by others' : `belongs to user ${uid}`}`,
    'Use a directory of this program alone: mode 0700',
  );
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * The lock (`flock`) belongs to the open file: it ends with it, at the latest with the process, and two that find what a dead process left
 * cannot both have it. The file stays: with its name gone, somebody could lock another one of that name. It names the process for who looks.
 */
async function takeLock(path: string): Promise<FileHandle> {
  const handle = await open(path, 'a+', 0o600);
  try {
    const locked = tryLockOpenFile(handle.fd);
    if (locked === -Errno.EAGAIN) {
      const holder = (await readFile(path, 'latin1')).trim();
      throw new StoreError(
        'RONDO_STORE_LOCKED',
        `${path} is held by ${/^\d+$/.test(holder) ? `process ${holder}` : 'another process'}`,
        'Each member needs a directory of its own',
      );
    }
    if (locked < 0)
      throw new StoreError(
        'RONDO_STORE_LOCKED',
        `${path} cannot be locked: ${errnoName(locked)}`,
        'Use a directory of a file system that has locks',
      );
    await handle.truncate();
    await handle.write(`${process.pid}\n`);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
