/** IP packets on their way in pieces. */
const PACKETS_MAX = 256;
const KEEP_MS = 30_000;
const PACKET_BYTES_MAX = 65_535;
/** More pieces than of the smallest packets that a link may have. */
const PIECES_MAX = 1_500;

interface Partial {
  readonly startMs: number;
  readonly bytes: Uint8Array;
  /** Ranges that are there, unordered. */
  readonly ranges: [from: number, to: number][];
  /** Known once the last piece is there. */
  length: number;
}

/** Puts fragments together; what the capture has cut off a piece stays a hole, and the packet is never complete. */
export class FragmentTable {
  /** Packets that were given up. */
  lost = 0;
  private readonly partials = new Map<string, Partial>();

  add(
    key: string,
    timeMs: number,
    offset: number,
    more: boolean,
    piece: Uint8Array,
    pieceBytes: number,
  ): { readonly bytes: Uint8Array; readonly length: number } | null {
    if (offset + piece.length > PACKET_BYTES_MAX) return null;
    let partial = this.partials.get(key);
    if (partial !== undefined && timeMs - partial.startMs > KEEP_MS) {
      this.lost++;
      partial = undefined;
    }
    if (partial === undefined) {
      partial = { startMs: timeMs, bytes: new Uint8Array(PACKET_BYTES_MAX), ranges: [], length: -1 };
      this.partials.delete(key);
      this.makeRoom();
      this.partials.set(key, partial);
    }
    if (partial.ranges.length >= PIECES_MAX) return null;
    partial.bytes.set(piece, offset);
    partial.ranges.push([offset, offset + piece.length]);
    if (!more) partial.length = offset + pieceBytes;
    if (partial.length < 0 || covered(partial.ranges) < partial.length) return null;
    this.partials.delete(key);
    return { bytes: partial.bytes.subarray(0, partial.length), length: partial.length };
  }

  private makeRoom(): void {
    if (this.partials.size < PACKETS_MAX) return;
    for (const key of this.partials.keys()) {
      this.partials.delete(key);
      this.lost++;
      return;
    }
  }
}

/** How far the ranges reach from 0 without a hole. */
function covered(ranges: [from: number, to: number][]): number {
  ranges.sort((a, b) => a[0] - b[0]);
  let end = 0;
  for (const [from, to] of ranges) {
    if (from > end) break;
    end = Math.max(end, to);
  }
  return end;
}
