import { BackwardBits } from './bits.ts';
import { corrupt, guarded } from './corrupt.ts';
import { type FseTable, fseSingle, fseTable, readFseHeader } from './fse.ts';
import { type HuffmanTable, readHuffman, readHuffmanStream } from './huffman.ts';
import {
  LITERAL_LENGTH_BASE,
  LITERAL_LENGTH_BITS,
  LITERAL_LENGTH_DEFAULT,
  LITERAL_LENGTH_LOG,
  MATCH_LENGTH_BASE,
  MATCH_LENGTH_BITS,
  MATCH_LENGTH_DEFAULT,
  MATCH_LENGTH_LOG,
  OFFSET_DEFAULT,
  OFFSET_LOG,
  ZSTD_BLOCK_BYTES_MAX,
  ZSTD_MAGIC,
} from './zstd-tables.ts';

/** The three codes of sequences; each may be kept from the block before. */
interface SequenceCode {
  readonly defaults: FseTable;
  readonly symbolMax: number;
  readonly logMax: number;
  current: FseTable | null;
}

const DEFAULT_LITERAL_LENGTHS = fseTable(LITERAL_LENGTH_DEFAULT, LITERAL_LENGTH_LOG);
const DEFAULT_OFFSETS = fseTable(OFFSET_DEFAULT, OFFSET_LOG);
const DEFAULT_MATCH_LENGTHS = fseTable(MATCH_LENGTH_DEFAULT, MATCH_LENGTH_LOG);
const OFFSET_CODE_MAX = 28;

const literals = new Uint8Array(ZSTD_BLOCK_BYTES_MAX);

/** One zstd frame (RFC 8878), without dictionary. The output is its own window. */
class Zstd {
  private at: number;
  private readonly end: number;
  private to: number;
  private readonly limit: number;
  private literalCount = 0;
  private huffman: HuffmanTable | null = null;
  private readonly repeats = [1, 4, 8];
  private readonly literalLengths: SequenceCode = {
    defaults: DEFAULT_LITERAL_LENGTHS,
    symbolMax: 35,
    logMax: 9,
    current: null,
  };
  private readonly offsets: SequenceCode = { defaults: DEFAULT_OFFSETS, symbolMax: 31, logMax: 8, current: null };
  private readonly matchLengths: SequenceCode = {
    defaults: DEFAULT_MATCH_LENGTHS,
    symbolMax: 52,
    logMax: 9,
    current: null,
  };

  constructor(
    private readonly bytes: Uint8Array,
    offset: number,
    length: number,
    private readonly target: number,
    room: number,
  ) {
    this.at = offset;
    this.end = offset + length;
    this.to = target;
    this.limit = target + room;
  }

  decode(): number {
    if (this.little(4) !== ZSTD_MAGIC) corrupt();
    const descriptor = this.little(1);
    const single = (descriptor & 0x20) !== 0;
    const sizeFlag = descriptor >> 6;
    if ((descriptor & 0x08) !== 0 || (descriptor & 3) !== 0) corrupt(); // reserved bit, dictionary
    if (!single) this.little(1); // window size: bounded by `room` anyway
    const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag;
    let declared = -1;
    if (sizeBytes > 0) declared = this.little(sizeBytes) + (sizeBytes === 2 ? 256 : 0);
    if (declared > this.limit - this.target) corrupt();
    let last = false;
    while (!last) {
      const header = this.little(3);
      last = (header & 1) !== 0;
      this.block((header >> 1) & 3, header >> 3);
    }
    if ((descriptor & 4) !== 0) this.little(4); // checksum
    if (declared >= 0 && this.to - this.target !== declared) corrupt();
    return this.to - this.target;
  }

  private little(count: number): number {
    if (this.at + count > this.end) corrupt();
    let value = 0;
    for (let i = 0; i < count; i++) value += this.bytes[this.at + i]! * 2 ** (8 * i);
    this.at += count;
    return value;
  }

  private block(type: number, size: number): void {
    if (type === 1) {
      const byte = this.little(1);
      this.room(size);
      this.bytes.fill(byte, this.to, this.to + size);
      this.to += size;
      return;
    }
    if (type === 3 || size > ZSTD_BLOCK_BYTES_MAX || this.at + size > this.end) corrupt();
    const end = this.at + size;
    if (type === 0) {
      this.room(size);
      this.bytes.copyWithin(this.to, this.at, end);
      this.to += size;
    } else {
      this.sequences(this.readLiterals(end), end);
    }
    this.at = end;
  }

  private room(count: number): void {
    if (this.to + count > this.limit) corrupt();
  }

  /** Literals into `literals`; answers where the sequences begin (RFC 8878 3.1.1.3.1). */
  private readLiterals(end: number): number {
    const first = this.little(1);
    const type = first & 3;
    const format = (first >> 2) & 3;
    if (type < 2) {
      const extra = format === 1 ? 1 : format === 3 ? 2 : 0;
      const rest = this.little(extra);
      const size = (format & 1) === 0 ? first >> 3 : (first >> 4) + rest * 16;
      if (size > ZSTD_BLOCK_BYTES_MAX || this.at + (type === 0 ? size : 1) > end) corrupt();
      if (type === 0) {
        literals.set(this.bytes.subarray(this.at, this.at + size));
        this.at += size;
      } else {
        literals.fill(this.little(1), 0, size);
      }
      this.literalCount = size;
      return this.at;
    }
    const extra = format < 2 ? 2 : format + 1;
    const header = (first >> 4) + this.little(extra) * 16;
    const width = format < 2 ? 10 : format === 2 ? 14 : 18;
    const size = header % 2 ** width;
    const packed = Math.floor(header / 2 ** width);
    if (size > ZSTD_BLOCK_BYTES_MAX || this.at + packed > end) corrupt();
    this.readPackedLiterals(type === 2, format === 0 ? 1 : 4, size, this.at + packed);
    return this.at;
  }

  private readPackedLiterals(ownTable: boolean, streams: number, size: number, end: number): void {
    if (ownTable) {
      const { table, next } = readHuffman(this.bytes, this.at, end);
      this.huffman = table;
      this.at = next;
    }
    const table = this.huffman ?? corrupt();
    this.literalCount = size;
    if (streams === 1) {
      readHuffmanStream(table, this.bytes, this.at, end, literals, 0, size);
      this.at = end;
      return;
    }
    const lengths = [this.little(2), this.little(2), this.little(2)];
    const each = (size + 3) >> 2;
    if (this.at > end || 3 * each > size) corrupt();
    for (let stream = 0; stream < 4; stream++) {
      const stop = stream < 3 ? this.at + lengths[stream]! : end;
      if (stop > end) corrupt();
      const count = stream < 3 ? each : size - 3 * each;
      readHuffmanStream(table, this.bytes, this.at, stop, literals, stream * each, count);
      this.at = stop;
    }
  }

  private sequences(at: number, end: number): void {
    this.at = at;
    let count = this.little(1);
    if (count >= 128) count = count === 255 ? this.little(2) + 0x7f00 : ((count - 128) << 8) + this.little(1);
    if (this.at > end) corrupt();
    if (count === 0) {
      if (this.at !== end) corrupt();
      this.copyLiterals(0, this.literalCount);
      return;
    }
    const modes = this.little(1);
    if ((modes & 3) !== 0) corrupt();
    const lengths = this.code(this.literalLengths, modes >> 6, end);
    const offsets = this.code(this.offsets, (modes >> 4) & 3, end);
    const matches = this.code(this.matchLengths, (modes >> 2) & 3, end);
    this.execute(count, lengths, offsets, matches, end);
  }

  private code(code: SequenceCode, mode: number, end: number): FseTable {
    if (mode === 0) {
      code.current = code.defaults;
    } else if (mode === 1) {
      const symbol = this.little(1);
      if (symbol > code.symbolMax) corrupt();
      code.current = fseSingle(symbol);
    } else if (mode === 2) {
      const header = readFseHeader(this.bytes, this.at, end, code.symbolMax, code.logMax);
      code.current = fseTable(header.counts, header.log);
      this.at = header.next;
    }
    return code.current ?? corrupt();
  }

  private execute(count: number, lengths: FseTable, offsets: FseTable, matches: FseTable, end: number): void {
    const bits = new BackwardBits(this.bytes, this.at, end);
    let lengthState = bits.read(lengths.log);
    let offsetState = bits.read(offsets.log);
    let matchState = bits.read(matches.log);
    let used = 0;
    for (let i = 0; i < count; i++) {
      const offsetCode = offsets.symbol[offsetState]!;
      if (offsetCode > OFFSET_CODE_MAX) corrupt();
      const offsetValue = 2 ** offsetCode + bits.read(offsetCode);
      const matchCode = matches.symbol[matchState]!;
      const match = MATCH_LENGTH_BASE[matchCode]! + bits.read(MATCH_LENGTH_BITS[matchCode]!);
      const lengthCode = lengths.symbol[lengthState]!;
      const run = LITERAL_LENGTH_BASE[lengthCode]! + bits.read(LITERAL_LENGTH_BITS[lengthCode]!);
      if (bits.overrun > 0 || used + run > this.literalCount) corrupt();
      this.copyLiterals(used, run);
      used += run;
      this.copyMatch(this.distance(offsetValue, run), match);
      if (i === count - 1) break;
      lengthState = lengths.base[lengthState]! + bits.read(lengths.bits[lengthState]!);
      matchState = matches.base[matchState]! + bits.read(matches.bits[matchState]!);
      offsetState = offsets.base[offsetState]! + bits.read(offsets.bits[offsetState]!);
    }
    if (!bits.finished) corrupt();
    this.copyLiterals(used, this.literalCount - used);
  }

  /** Offsets 1 to 3 repeat one of the last three, shifted by one when no literals came before (RFC 8878 3.1.1.5). */
  private distance(value: number, run: number): number {
    const { repeats } = this;
    let distance: number;
    let index = 2;
    if (value > 3) {
      distance = value - 3;
    } else {
      const which = value - 1 + (run === 0 ? 1 : 0);
      distance = which === 3 ? repeats[0]! - 1 : repeats[which]!;
      if (distance === 0) corrupt();
      index = Math.min(which, 2);
    }
    for (; index > 0; index--) repeats[index] = repeats[index - 1]!;
    repeats[0] = distance;
    return distance;
  }

  private copyLiterals(from: number, count: number): void {
    this.room(count);
    for (let i = 0; i < count; i++) this.bytes[this.to + i] = literals[from + i]!;
    this.to += count;
  }

  private copyMatch(distance: number, length: number): void {
    const from = this.to - distance;
    if (from < this.target) corrupt();
    this.room(length);
    for (let i = 0; i < length; i++) this.bytes[this.to + i] = this.bytes[from + i]!;
    this.to += length;
  }
}

/** Length of the expanded frame at `target`, or −1. */
export function zstdDecode(bytes: Uint8Array, offset: number, length: number, target: number, room: number): number {
  return guarded(() => new Zstd(bytes, offset, length, target, room).decode());
}
