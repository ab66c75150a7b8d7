import { type Base, decodeBase, type Entry, type ReplicaMessage } from './messages.ts';

/** Each part that arrives shows that its sender is not late: on a slow ring one of them has to take much less than `patienceMs` (seed 10510 of the simulator). */
const PART_BYTES = 16 * 1024;
/** Parts that are on their way at a time; what was sent before a change of the ring goes first. */
export const PARTS_AHEAD = 8;

type Part = Pick<Extract<ReplicaMessage, { type: 'snapshot' }>, 'part' | 'parts' | 'bytes'>;

/** Hands out a state in parts: the next one when an earlier one has come back, so that commands get their places between them. */
export class SnapshotSender {
  private part = 0;
  private readonly parts: number;

  constructor(private readonly bytes: Uint8Array) {
    this.parts = Math.max(1, Math.ceil(bytes.length / PART_BYTES));
  }

  next(count: number): Part[] {
    const found: Part[] = [];
    for (; count > 0 && this.part < this.parts; count--) {
      const { part, parts } = this;
      found.push({ part, parts, bytes: this.bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES) });
      this.part++;
    }
    return found;
  }
}

/** Collects the parts, and the entries that got their places meanwhile. */
export class SnapshotReceiver {
  readonly later: Entry[] = [];
  private readonly pieces: Uint8Array[] = [];

  constructor(private readonly source: string) {}

  get received(): number {
    return this.pieces.length;
  }

  /** The whole state with the last part. */
  take(from: string, { part, parts, bytes }: Part): Base | null {
    if (from !== this.source || part !== this.pieces.length) return null;
    this.pieces.push(bytes);
    if (this.pieces.length < parts) return null;
    return decodeBase(Buffer.concat(this.pieces));
  }
}
