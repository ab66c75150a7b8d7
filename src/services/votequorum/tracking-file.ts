import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

/** Where the highest expected votes are kept over restarts (services.md 7.11). */
export interface TrackingFile {
  /** Makes the file with 0 if it cannot be read. Throws if that fails. */
  load(): number;
  /** `false`: not written. */
  store(expectedVotes: number): boolean;
}

const FILE_BYTES = 4;
const MODE = 0o700;

/**
 * `ev_tracking`: a u32. Stock closes it right after loading, so its updates never reach the disk; this one writes them
 * as documented.
 */
export function trackingFile(path: string): TrackingFile {
  const store = (expectedVotes: number): boolean => {
    const bytes = new Uint8Array(FILE_BYTES);
    new DataView(bytes.buffer).setUint32(0, expectedVotes, true);
    try {
      const fd = openSync(path, 'w', MODE);
      try {
        writeSync(fd, bytes);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      return true;
    } catch {
      return false;
    }
  };
  return {
    load() {
      const bytes = new Uint8Array(FILE_BYTES);
      try {
        const fd = openSync(path, 'r');
        try {
          if (readSync(fd, bytes) === FILE_BYTES) return new DataView(bytes.buffer).getUint32(0, true);
        } finally {
          closeSync(fd);
        }
      } catch {
        // Not there yet, or not readable: it is made anew.
      }
      if (!store(0)) throw new Error(`Unable to create ${path}`);
      return 0;
    },
    store,
  };
}

/** For tests and for a daemon without a state directory. */
export function memoryTrackingFile(initial = 0): TrackingFile & { value: number } {
  return {
    value: initial,
    load() {
      return this.value;
    },
    store(expectedVotes) {
      this.value = expectedVotes;
      return true;
    },
  };
}
