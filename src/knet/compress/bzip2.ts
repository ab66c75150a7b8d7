import { corrupt, guarded } from './corrupt.ts';

/**
 * bzip2 streams, decoding. A stream is "BZh", a digit, blocks and an end mark with a checksum; a block is, after Huffman codes:
 * run lengths and move-to-front of the Burrows-Wheeler transform of run-length coded data.
 */
const BLOCK_MAGIC_HIGH = 0x314159;
const BLOCK_MAGIC_LOW = 0x265359;
const END_MAGIC_HIGH = 0x177245;
const END_MAGIC_LOW = 0x385090;
const GROUP_SYMBOLS = 50;
const CODE_BITS_MAX = 20;
const SELECTORS_MAX = 18_002;
const RUN_A = 0;
const RUN_B = 1;
/** Four equal bytes are followed by a count: at most 5 bytes of input to a transform for 4 of output. */
const RUN_LENGTH = 4;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** Canonical Huffman code of one table. */
class Codes {
  readonly limit = new Int32Array(CODE_BITS_MAX + 2);
  readonly base = new Int32Array(CODE_BITS_MAX + 2);
  readonly symbols: Uint16Array;
  readonly minBits: number;

  constructor(lengths: Uint8Array, count: number) {
    this.symbols = new Uint16Array(count);
    const perLength = new Int32Array(CODE_BITS_MAX + 2);
    for (let i = 0; i < count; i++) perLength[lengths[i]!]!++;
    let at = 0;
    for (let bits = 1; bits <= CODE_BITS_MAX; bits++) {
      for (let symbol = 0; symbol < count; symbol++) if (lengths[symbol] === bits) this.symbols[at++] = symbol;
    }
    let code = 0;
    let index = 0;
    let shortest = CODE_BITS_MAX;
    for (let bits = 1; bits <= CODE_BITS_MAX; bits++) {
      if (perLength[bits]! > 0 && bits < shortest) shortest = bits;
      this.base[bits] = index - code;
      code += perLength[bits]!;
      index += perLength[bits]!;
      this.limit[bits] = code; // codes of this length are below it
      code <<= 1;
    }
    this.minBits = shortest;
  }
}

class Bzip2 {
  private at: number;
  private readonly end: number;
  private to: number;
  private readonly limit: number;
  private bitBuffer = 0;
  private bitCount = 0;
  private readonly blockMax: number;
  private readonly transform: Uint32Array;
  private readonly symbolsUsed = new Uint8Array(256);

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
    this.blockMax = Math.ceil((room * (RUN_LENGTH + 1)) / RUN_LENGTH) + 8;
    this.transform = new Uint32Array(this.blockMax);
  }

  decode(): number {
    if (this.bits(24) !== 0x425a68) corrupt();
    const level = this.bits(8) - 0x30;
    if (level < 1 || level > 9) corrupt();
    let combined = 0;
    for (;;) {
      const high = this.bits(24);
      const low = this.bits(24);
      if (high === END_MAGIC_HIGH && low === END_MAGIC_LOW) break;
      if (high !== BLOCK_MAGIC_HIGH || low !== BLOCK_MAGIC_LOW) corrupt();
      const crc = this.block(Math.min(level * 100_000, this.blockMax));
      combined = (((combined << 1) | (combined >>> 31)) ^ crc) >>> 0;
    }
    const expected = (this.bits(16) * 65_536 + this.bits(16)) >>> 0;
    if (expected !== combined) corrupt();
    return this.to - this.target;
  }

  private block(most: number): number {
    const expected = (this.bits(16) * 65_536 + this.bits(16)) >>> 0;
    if (this.bits(1) !== 0) corrupt(); // "randomised" blocks: nobody has written them since 1997
    const origin = this.bits(24);
    const used = this.readSymbolMap();
    const groups = this.bits(3);
    if (groups < 2 || groups > 6) corrupt();
    const selectors = this.readSelectors(groups);
    const tables = this.readTables(groups, used + 2);
    const length = this.readSymbols(tables, selectors, used, most);
    if (origin >= length) corrupt();
    const crc = this.untransform(origin, length);
    if (crc !== expected) corrupt();
    return crc;
  }

  private readSymbolMap(): number {
    const ranges = this.bits(16);
    let used = 0;
    for (let range = 0; range < 16; range++) {
      if ((ranges & (0x8000 >> range)) === 0) continue;
      const members = this.bits(16);
      for (let i = 0; i < 16; i++) if ((members & (0x8000 >> i)) !== 0) this.symbolsUsed[used++] = range * 16 + i;
    }
    if (used === 0) corrupt();
    return used;
  }

  private readSelectors(groups: number): Uint8Array {
    const count = this.bits(15);
    if (count < 1) corrupt();
    const order = Uint8Array.from({ length: groups }, (_, i) => i);
    const selectors = new Uint8Array(Math.min(count, SELECTORS_MAX));
    for (let i = 0; i < count; i++) {
      let position = 0;
      while (this.bits(1) === 1) if (++position >= groups) corrupt();
      const group = order[position]!;
      order.copyWithin(1, 0, position);
      order[0] = group;
      if (i < SELECTORS_MAX) selectors[i] = group; // writers may append meaningless ones
    }
    return selectors;
  }

  private readTables(groups: number, symbols: number): Codes[] {
    const tables: Codes[] = [];
    const lengths = new Uint8Array(symbols);
    for (let group = 0; group < groups; group++) {
      let bits = this.bits(5);
      for (let symbol = 0; symbol < symbols; symbol++) {
        for (;;) {
          if (bits < 1 || bits > CODE_BITS_MAX) corrupt();
          if (this.bits(1) === 0) break;
          bits += this.bits(1) === 0 ? 1 : -1;
        }
        lengths[symbol] = bits;
      }
      tables.push(new Codes(lengths, symbols));
    }
    return tables;
  }

  /** Huffman codes, run lengths and move-to-front into `transform`; answers the length of the block. */
  private readSymbols(tables: readonly Codes[], selectors: Uint8Array, used: number, most: number): number {
    const order = this.symbolsUsed.slice(0, used);
    const endOfBlock = used + 1;
    let length = 0;
    let run = 0;
    let runBit = 1;
    let codes = tables[0]!;
    for (let i = 0; ; i++) {
      if (i % GROUP_SYMBOLS === 0) {
        const selector = selectors[i / GROUP_SYMBOLS];
        codes = (selector === undefined ? undefined : tables[selector]) ?? corrupt();
      }
      const symbol = this.symbol(codes);
      if (symbol === RUN_A || symbol === RUN_B) {
        run += runBit << symbol;
        runBit <<= 1;
        if (run > most) corrupt();
        continue;
      }
      if (run > 0) {
        if (length + run > most) corrupt();
        this.transform.fill(order[0]!, length, length + run);
        length += run;
        run = 0;
        runBit = 1;
      }
      if (symbol === endOfBlock) return length;
      if (length >= most) corrupt();
      const position = symbol - 1;
      const byte = order[position] ?? corrupt();
      order.copyWithin(1, 0, position);
      order[0] = byte;
      this.transform[length++] = byte;
    }
  }

  private symbol(codes: Codes): number {
    let code = this.bits(codes.minBits);
    for (let bits = codes.minBits; bits <= CODE_BITS_MAX; bits++) {
      if (code < codes.limit[bits]!) return codes.symbols[codes.base[bits]! + code] ?? corrupt();
      code = (code << 1) | this.bits(1);
    }
    return corrupt();
  }

  /** Inverse Burrows-Wheeler transform, then the run lengths of the first stage; answers the checksum. */
  private untransform(origin: number, length: number): number {
    const { transform } = this;
    const starts = new Uint32Array(256);
    for (let i = 0; i < length; i++) starts[transform[i]!]!++;
    for (let byte = 0, sum = 0; byte < 256; byte++) {
      const count = starts[byte]!;
      starts[byte] = sum;
      sum += count;
    }
    // Low 8 bits: the byte; above: where its successor is.
    for (let i = 0; i < length; i++) {
      const slot = starts[transform[i]! & 0xff]!++;
      transform[slot] = transform[slot]! | (i << 8);
    }
    let crc = 0xffffffff;
    let position = transform[origin]! >>> 8;
    let previous = -1;
    let repeated = 0;
    for (let i = 0; i < length; i++) {
      const entry = transform[position]!;
      position = entry >>> 8;
      const byte = entry & 0xff;
      if (repeated === RUN_LENGTH) {
        for (let n = byte; n > 0; n--) crc = this.put(previous, crc);
        repeated = 0;
        previous = -1;
        continue;
      }
      repeated = byte === previous ? repeated + 1 : 1;
      previous = byte;
      crc = this.put(byte, crc);
    }
    return ~crc >>> 0;
  }

  private put(byte: number, crc: number): number {
    if (this.to >= this.limit) corrupt();
    this.bytes[this.to++] = byte;
    return (crc << 8) ^ CRC_TABLE[((crc >>> 24) ^ byte) & 0xff]!;
  }

  /** Up to 24 bits, most significant first. */
  private bits(count: number): number {
    while (this.bitCount < count) {
      if (this.at >= this.end) corrupt();
      this.bitBuffer = ((this.bitBuffer << 8) | this.bytes[this.at++]!) >>> 0;
      this.bitCount += 8;
    }
    this.bitCount -= count;
    const value = (this.bitBuffer >>> this.bitCount) & ((1 << count) - 1);
    return value;
  }
}

/** Length of the expanded stream at `target`, or −1. */
export function bzip2Decode(bytes: Uint8Array, offset: number, length: number, target: number, room: number): number {
  return guarded(() => new Bzip2(bytes, offset, length, target, room).decode());
}
