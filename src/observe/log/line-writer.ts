import { closeSync, openSync, write, writeSync } from 'node:fs';

/** Bytes that wait for a slow disk; what comes beyond them is dropped and counted. */
export const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_MS = 20;
const FILE_MODE = 0o666; // less the umask, as stock creates it

/** Where finished lines go. None of them blocks its caller for the disk or for a reader. */
export interface LineDestination {
  write(line: string): void;
  /** Opens its file again, after it was moved away. */
  reopen(): void;
  /** Writes what is waiting, blocking: for the last moments of a process that cannot wait. */
  flushSync(): void;
  /** Writes what is waiting, then closes. */
  end(): Promise<void>;
}

const isBusy = (error: NodeJS.ErrnoException): boolean => error.code === 'EAGAIN' || error.code === 'EBUSY';

/**
 * Writes to a descriptor, one write at a time in a thread of libuv, with all that has gathered meanwhile in the next.
 * Errors never throw: they are counted, and the lines are lost.
 */
export class LineWriter implements LineDestination {
  private waiting: string[] = [];
  private waitingBytes = 0;
  private writing = false;
  private reopenPending = false;
  private onEnd: (() => void) | null = null;
  private fd: number;

  /** `dest`: a path, opened for appending, or an open descriptor, which stays open. */
  constructor(
    private readonly dest: string | number,
    private readonly onLoss: (lines: number) => void,
  ) {
    this.fd = this.open();
  }

  write(line: string): void {
    if (this.fd < 0 || this.onEnd !== null || this.waitingBytes + line.length > WAITING_BYTES_MAX) {
      this.onLoss(1);
      return;
    }
    this.waiting.push(line);
    this.waitingBytes += line.length;
    this.next();
  }

  reopen(): void {
    if (typeof this.dest === 'number' || this.onEnd !== null) return;
    if (this.writing) {
      this.reopenPending = true; // what is on its way belongs to the old file
      return;
    }
    this.reopenPending = false;
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = this.open();
  }

  flushSync(): void {
    const text = this.takeWaiting();
    if (this.fd < 0) return;
    const bytes = Buffer.from(text);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at);
    } catch {
      this.onLoss(1);
    }
  }

  end(): Promise<void> {
    return new Promise((resolve) => {
      this.onEnd = resolve;
      this.next();
    });
  }

  private open(): number {
    if (typeof this.dest === 'number') return this.dest;
    try {
      return openSync(this.dest, 'a', FILE_MODE);
    } catch {
      return -1;
    }
  }

  private takeWaiting(): string {
    const text = this.waiting.join('');
    this.waiting = [];
    this.waitingBytes = 0;
    return text;
  }

  private next(): void {
    if (this.writing) return;
    if (this.reopenPending) this.reopen();
    if (this.waiting.length > 0 && this.fd >= 0) {
      this.writing = true;
      this.put(this.fd, Buffer.from(this.takeWaiting()), 0);
      return;
    }
    if (this.onEnd === null) return;
    if (typeof this.dest === 'string' && this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
    this.onEnd();
  }

  private put(fd: number, bytes: Buffer, at: number): void {
    write(fd, bytes, at, (error, written) => {
      if (error !== null && isBusy(error)) {
        setTimeout(() => this.put(fd, bytes, at), RETRY_MS);
        return;
      }
      if (error === null && at + written < bytes.length) {
        this.put(fd, bytes, at + written);
        return;
      }
      if (error !== null) this.onLoss(1);
      this.writing = false;
      this.next();
    });
  }
}
