import { closeSync, write, writeSync } from 'node:fs';

/** Bytes that wait for a slow disk; what comes beyond them is dropped and counted. */
export const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_MS = 20;
/** How often a file that could not be opened is tried again. */
const OPEN_RETRY_MS = 10_000;
const NEWLINE = 0x0a;
/** Opens a file for appending; throws if it cannot be had. The descriptor must not wait. */
export type OpenLogFile = (path: string) => number;

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

export interface LineWriterPorts {
  readonly open: OpenLogFile;
  /** Lines that are gone; `error` is why, or `null` when nothing new happened. */
  lost(lines: number, error: unknown): void;
  /** Lines were written. */
  written(): void;
}

/**
 * Writes to a descriptor, one write at a time in a thread of libuv, with all that has gathered meanwhile in the next.
 * Errors never throw: they are counted, and the lines are lost.
 */
export class LineWriter implements LineDestination {
  private waiting: string[] = [];
  private waitingBytes = 0;
  private writing = false;
  private reopenPending = false;
  /** The file ends in the middle of a line: the disk was full. */
  private torn = false;
  private onEnd: (() => void) | null = null;
  private fd: number;
  private openedMs = Number.NEGATIVE_INFINITY;

  /** `dest`: a path, opened for appending when it is wanted, or an open descriptor, which stays open. */
  constructor(
    private readonly dest: string | number,
    private readonly ports: LineWriterPorts,
  ) {
    this.fd = typeof dest === 'number' ? dest : -1;
  }

  /** Whether there is a file to write to. It is opened here; one that could not be opened is tried again every ten seconds. */
  get isOpen(): boolean {
    if (this.fd < 0 && performance.now() - this.openedMs > OPEN_RETRY_MS) this.reopen();
    return this.fd >= 0;
  }

  write(line: string): void {
    if (!this.isOpen) {
      this.ports.lost(1, null);
      return;
    }
    if (this.onEnd !== null || this.waitingBytes + line.length > WAITING_BYTES_MAX) {
      this.ports.lost(1, null);
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
    if (this.fd < 0) return;
    const { bytes, lines } = this.takeWaiting();
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at);
    } catch (error) {
      this.ports.lost(lines, error);
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
    this.torn = false;
    this.openedMs = performance.now();
    try {
      return this.ports.open(this.dest);
    } catch (error) {
      this.ports.lost(0, error);
      return -1;
    }
  }

  private takeWaiting(): { readonly bytes: Buffer; readonly lines: number } {
    const lines = this.waiting.length;
    const bytes = Buffer.from(`${this.torn && lines > 0 ? '\n' : ''}${this.waiting.join('')}`);
    this.waiting = [];
    this.waitingBytes = 0;
    return { bytes, lines };
  }

  private next(): void {
    if (this.writing) return;
    if (this.reopenPending) this.reopen();
    if (this.waiting.length > 0 && this.fd >= 0) {
      this.writing = true;
      const { bytes, lines } = this.takeWaiting();
      this.put(this.fd, bytes, 0, lines);
      return;
    }
    if (this.onEnd === null) return;
    if (typeof this.dest === 'string' && this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
    this.onEnd();
  }

  private put(fd: number, bytes: Buffer, at: number, lines: number): void {
    write(fd, bytes, at, (error, written) => {
      if (error !== null && isBusy(error)) {
        setTimeout(() => this.put(fd, bytes, at, lines), RETRY_MS);
        return;
      }
      if (error === null && at + written < bytes.length) {
        this.put(fd, bytes, at + written, lines);
        return;
      }
      if (error === null) {
        this.torn = false;
        this.ports.written();
      } else {
        if (at > 0) this.torn = bytes[at - 1] !== NEWLINE;
        this.ports.lost(lines, error);
      }
      this.writing = false;
      this.next();
    });
  }
}
