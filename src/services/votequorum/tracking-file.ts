/** Where the highest expected votes are kept over restarts (services.md 7.11). */
export interface TrackingFile {
  /** Makes the file with 0 if it cannot be read. Throws if that fails. */
  load(): number;
  /** `false`: not written. */
  store(expectedVotes: number): boolean;
}

/** The file itself; both calls throw when it cannot be had. */
export interface TrackingFilePort {
  readonly path: string;
  /** At most so many bytes; `null`: there is none. */
  read(bytesMax: number): Uint8Array | null;
  /** Replaces it as a whole, on disk when it returns. */
  replace(bytes: Uint8Array, mode: number): void;
}

const FILE_BYTES = 4;
const MODE = 0o700;

/**
 * `ev_tracking`: a u32. Stock closes it right after loading, so its updates never reach the disk; this one writes them
 * as documented.
 */
export function trackingFile(file: TrackingFilePort): TrackingFile {
  const store = (expectedVotes: number): boolean => {
    const bytes = new Uint8Array(FILE_BYTES);
    new DataView(bytes.buffer).setUint32(0, expectedVotes, true);
    try {
      file.replace(bytes, MODE);
      return true;
    } catch {
      return false;
    }
  };
  return {
    load() {
      let bytes: Uint8Array | null = null;
      try {
        bytes = file.read(FILE_BYTES);
      } catch {
        // Not readable: it is made anew.
      }
      if (bytes?.length === FILE_BYTES) return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
      if (!store(0)) throw new Error(`Unable to create ${file.path}`);
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
