import { join } from 'node:path';

import { RING_SEQ_MAX, ringSeqAfter, ringSeqNewer } from '../lib/ring-seq.ts';
import { createOwnFile, readOwnFile, removeOwnFile, replaceOwnFile } from '../os/own-file.ts';
import { DaemonExit, ExitCode } from './exit-codes.ts';

/**
 * The ring sequence on disk: `<state dir>/ringid_<nodeid>`, 8 bytes, u64, little-endian like the platforms that this runs on, as stock's file (totem.md 4.2),
 * so either daemon can take over from the other.
 *
 * A sequence may never be used twice, not even after a crash. Stock writes each one before use; here the ring thread must
 * not wait for a disk, so numbers are reserved in blocks: the file always holds a number that no ring has reached yet. The first block is as large as
 * those that the ring asks for: with a smaller one each start waited for the disk twice, many seconds where many daemons start on one disk.
 */
export const RESERVE_RINGS = 1024;
/** A formed ring advances the sequence by four (totem.md 4.8). */
const SEQ_PER_RING = 4;
export const RESERVE_BLOCK = RESERVE_RINGS * SEQ_PER_RING;
const FILE_BYTES = 8;
const MODE = 0o600;

export interface RingIdStart {
  /** Highest sequence that may have been used. */
  readonly stored: number;
  /** Sequences up to here may be used without asking again. */
  readonly reserved: number;
  /** What the file held, if no ring can have that number: counting starts again from 0. */
  readonly impossible: bigint | null;
}

export class RingIdStore {
  private readonly file: string;
  private reservedSeq = 0;

  constructor(directory: string, nodeId: number) {
    this.file = join(directory, `ringid_${nodeId}`);
  }

  /** Reads the file (0 when there is none or it is short) and reserves a first block; the ring asks for the next ones. */
  open(): RingIdStart {
    let found = 0n;
    try {
      const bytes = readOwnFile(this.file, FILE_BYTES);
      if (bytes !== null) found = decodeSeq(bytes);
    } catch (error) {
      throw new DaemonExit(ExitCode.RING_ID, `Couldn't read the ring id from ${this.file}: ${text(error)}`, {
        cause: error,
      });
    }
    const possible = found <= BigInt(RING_SEQ_MAX);
    const stored = possible ? Number(found) : 0;
    this.reservedSeq = stored;
    const reserved = this.reserve(ringSeqAfter(stored, RESERVE_BLOCK));
    return { stored, reserved, impossible: possible ? null : found };
  }

  /** Makes sequences up to `upTo` durable. Returns how far it is reserved now. */
  reserve(upTo: number): number {
    if (!ringSeqNewer(upTo, this.reservedSeq)) return this.reservedSeq;
    this.write(upTo);
    return this.reservedSeq;
  }

  /** After an orderly stop: gives back what was reserved and not used, so the next start goes on where this one ended. `null`, or why not. */
  close(highestUsed: number): string | null {
    try {
      if (ringSeqNewer(this.reservedSeq, highestUsed)) this.write(highestUsed);
      return null;
    } catch (error) {
      return text(error); // what is on the disk is higher, and that is safe
    }
  }

  /** How far numbers are reserved on disk. */
  get reserved(): number {
    return this.reservedSeq;
  }

  /** Whether the directory could take a next block: throws if not. It costs no wait for the disk. */
  probe(): void {
    const probe = `${this.file}.probe`;
    this.storing(() => {
      removeOwnFile(probe);
      createOwnFile(probe, encodeSeq(this.reservedSeq), MODE, false);
      removeOwnFile(probe);
    });
  }

  private write(seq: number): void {
    this.storing(() => replaceOwnFile(this.file, encodeSeq(seq), MODE));
    this.reservedSeq = seq;
  }

  private storing(act: () => void): void {
    try {
      act();
    } catch (error) {
      throw new DaemonExit(ExitCode.RING_ID, `Couldn't store the ring id in ${this.file}: ${text(error)}`, {
        cause: error,
      });
    }
  }
}

function encodeSeq(seq: number): Uint8Array {
  const bytes = new Uint8Array(FILE_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(seq), true);
  return bytes;
}

/** A short file counts as absent (stock creates it anew). */
function decodeSeq(bytes: Uint8Array): bigint {
  if (bytes.length < FILE_BYTES) return 0n;
  return new DataView(bytes.buffer, bytes.byteOffset, FILE_BYTES).getBigUint64(0, true);
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
