import { spread } from './fse.ts';
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

/**
 * A small zstd writer: one block, literals as they are, matches of a hash table, and the predefined codes, so that no
 * description of a code is sent. It compresses like LZ4, a little shorter; the library does better and is used where
 * node has it.
 */
const HASH_BITS = 14;
const MATCH_MIN = 4;
const SKIP_SHIFT = 6;
const SEQUENCES_MAX = 16_384;
const OFFSET_ADD = 3;

/** Coding table (the counterpart of FseTable): where a symbol's states lie, and how many bits leave with it. */
interface FseEncoder {
  readonly log: number;
  readonly states: Uint16Array;
  readonly deltaBits: Int32Array;
  readonly deltaState: Int32Array;
}

function encoder(counts: readonly number[], log: number): FseEncoder {
  const size = 1 << log;
  const symbols = spread(counts, log);
  const starts = new Int32Array(counts.length + 1);
  counts.forEach((count, symbol) => {
    starts[symbol + 1] = starts[symbol]! + Math.abs(count);
  });
  const states = new Uint16Array(size);
  const next = starts.slice();
  for (let state = 0; state < size; state++) states[next[symbols[state]!]!++] = size + state;
  const deltaBits = new Int32Array(counts.length);
  const deltaState = new Int32Array(counts.length);
  counts.forEach((count, symbol) => {
    const amount = Math.abs(count);
    if (amount === 0) return;
    const bits = amount === 1 ? log : log - (31 - Math.clz32(amount - 1));
    deltaBits[symbol] = (bits << 16) - (amount << bits);
    deltaState[symbol] = starts[symbol]! - amount;
  });
  return { log, states, deltaBits, deltaState };
}

const LENGTHS = encoder(LITERAL_LENGTH_DEFAULT, LITERAL_LENGTH_LOG);
const MATCHES = encoder(MATCH_LENGTH_DEFAULT, MATCH_LENGTH_LOG);
const OFFSETS = encoder(OFFSET_DEFAULT, OFFSET_LOG);

/** The code whose base is the largest not above `value`. */
function codeOf(bases: readonly number[], value: number): number {
  let low = 0;
  let high = bases.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (bases[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

const runs = new Int32Array(SEQUENCES_MAX);
const matchLengths = new Int32Array(SEQUENCES_MAX);
const distances = new Int32Array(SEQUENCES_MAX);
const table = new Int32Array(1 << HASH_BITS);
const literals = new Uint8Array(ZSTD_BLOCK_BYTES_MAX);

/** Bits from the start, least significant first; the decoder reads them from the end. */
class BitWriter {
  private buffer = 0;
  private count = 0;
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    private readonly limit: number,
  ) {}

  /** `bits` ≤ 16 at a time. */
  write(value: number, bits: number): void {
    this.buffer |= (value & ((1 << bits) - 1)) << this.count;
    this.count += bits;
    while (this.count >= 8) {
      this.byte();
      this.buffer >>>= 8;
      this.count -= 8;
    }
  }

  private byte(): void {
    if (this.at < this.limit) this.bytes[this.at] = this.buffer;
    this.at++;
  }

  finish(): void {
    this.write(1, 1);
    if (this.count > 0) this.byte();
  }
}

/** Length of the frame at `target`, or −1 when it does not fit in `room`. */
export function zstdEncode(bytes: Uint8Array, offset: number, length: number, target: number, room: number): number {
  if (length === 0 || length > ZSTD_BLOCK_BYTES_MAX) return -1;
  const limit = target + room;
  const sequences = findSequences(bytes, offset, length);
  if (sequences === 0) return -1;
  let literalCount = 0;
  for (let i = 0, at = offset; i < sequences; i++) {
    for (let n = runs[i]!; n > 0; n--) literals[literalCount++] = bytes[at++]!;
    at += matchLengths[i]!;
    if (i === sequences - 1) while (at < offset + length) literals[literalCount++] = bytes[at++]!;
  }
  if (target + 18 + literalCount > limit) return -1;
  // Magic, "single segment, content size in 4 bytes", the size.
  let to = little(bytes, target, ZSTD_MAGIC, 4);
  bytes[to++] = 0xa0;
  to = little(bytes, to, length, 4);
  const blockAt = to;
  to += 3;
  to = little(bytes, to, (literalCount << 4) | (3 << 2), 3); // raw literals, 20-bit size
  for (let i = 0; i < literalCount; i++) bytes[to + i] = literals[i]!;
  to += literalCount;
  if (sequences < 128) {
    bytes[to++] = sequences;
  } else {
    bytes[to++] = (sequences >> 8) + 128;
    bytes[to++] = sequences;
  }
  bytes[to++] = 0; // all three codes are the predefined ones
  const end = writeSequences(bytes, sequences, to, limit);
  if (end > limit || end - blockAt - 3 > ZSTD_BLOCK_BYTES_MAX) return -1;
  little(bytes, blockAt, ((end - blockAt - 3) << 3) | (2 << 1) | 1, 3);
  return end - target;
}

function little(bytes: Uint8Array, at: number, value: number, count: number): number {
  for (let i = 0; i < count; i++) bytes[at + i] = Math.floor(value / 2 ** (8 * i));
  return at + count;
}

const read32 = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);

/** Greedy matches into `runs`, `matchLengths` and `distances`; answers how many. */
function findSequences(bytes: Uint8Array, offset: number, length: number): number {
  const end = offset + length;
  table.fill(-1);
  let count = 0;
  let anchor = offset;
  let search = 1 << SKIP_SHIFT;
  for (let at = offset; at <= end - 8 && count < SEQUENCES_MAX; ) {
    const value = read32(bytes, at);
    const slot = Math.imul(value, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = table[slot]!;
    table[slot] = at - offset;
    const from = offset + candidate;
    if (candidate < 0 || read32(bytes, from) !== value) {
      at += search++ >> SKIP_SHIFT;
      continue;
    }
    let match = MATCH_MIN;
    while (at + match < end && bytes[from + match] === bytes[at + match]) match++;
    runs[count] = at - anchor;
    matchLengths[count] = match;
    distances[count++] = at - from;
    at += match;
    anchor = at;
    search = 1 << SKIP_SHIFT;
  }
  return count;
}

/** The last sequence first, as the decoder reads backwards (RFC 8878 4.1); answers the end. */
function writeSequences(bytes: Uint8Array, count: number, at: number, limit: number): number {
  const out = new BitWriter(bytes, at, limit);
  let lengthState = 0;
  let matchState = 0;
  let offsetState = 0;
  for (let i = count - 1; i >= 0; i--) {
    const run = runs[i]!;
    const match = matchLengths[i]!;
    const offset = distances[i]! + OFFSET_ADD;
    const lengthCode = codeOf(LITERAL_LENGTH_BASE, run);
    const matchCode = codeOf(MATCH_LENGTH_BASE, match);
    const offsetCode = 31 - Math.clz32(offset);
    if (i === count - 1) {
      lengthState = firstState(LENGTHS, lengthCode);
      offsetState = firstState(OFFSETS, offsetCode);
      matchState = firstState(MATCHES, matchCode);
    } else {
      offsetState = step(out, OFFSETS, offsetState, offsetCode);
      matchState = step(out, MATCHES, matchState, matchCode);
      lengthState = step(out, LENGTHS, lengthState, lengthCode);
    }
    out.write(run - LITERAL_LENGTH_BASE[lengthCode]!, LITERAL_LENGTH_BITS[lengthCode]!);
    out.write(match - MATCH_LENGTH_BASE[matchCode]!, MATCH_LENGTH_BITS[matchCode]!);
    const extra = offset - 2 ** offsetCode;
    if (offsetCode > 16) {
      out.write(extra & 0xffff, 16);
      out.write(extra >>> 16, offsetCode - 16);
    } else {
      out.write(extra, offsetCode);
    }
  }
  out.write(matchState, MATCHES.log);
  out.write(offsetState, OFFSETS.log);
  out.write(lengthState, LENGTHS.log);
  out.finish();
  return out.at;
}

/** A state from which the symbol comes without bits before it. */
function firstState(code: FseEncoder, symbol: number): number {
  const bits = (code.deltaBits[symbol]! + (1 << 15)) >> 16;
  const value = (bits << 16) - code.deltaBits[symbol]!;
  return code.states[(value >> bits) + code.deltaState[symbol]!]!;
}

function step(out: BitWriter, code: FseEncoder, state: number, symbol: number): number {
  const bits = (state + code.deltaBits[symbol]!) >> 16;
  out.write(state, bits);
  return code.states[(state >> bits) + code.deltaState[symbol]!]!;
}
