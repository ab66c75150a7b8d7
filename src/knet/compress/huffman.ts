import { BackwardBits } from './bits.ts';
import { corrupt } from './corrupt.ts';
import { fseTable, readFseHeader } from './fse.ts';

const BITS_MAX = 11;
const WEIGHT_LOG_MAX = 6;
const SYMBOLS_MAX = 256;

/** Prefix code of literals (RFC 8878 4.2): a table over the next `bits` bits. */
export interface HuffmanTable {
  readonly bits: number;
  readonly symbol: Uint8Array;
  readonly length: Uint8Array;
}

/** Reads a description of weights; answers the table and the first byte behind it. */
export function readHuffman(bytes: Uint8Array, at: number, end: number): { table: HuffmanTable; next: number } {
  if (at >= end) corrupt();
  const header = bytes[at]!;
  const weights = new Uint8Array(SYMBOLS_MAX);
  let count: number;
  let next: number;
  if (header >= 128) {
    count = header - 127;
    next = at + 1 + ((count + 1) >> 1);
    if (next > end) corrupt();
    for (let i = 0; i < count; i++) {
      const byte = bytes[at + 1 + (i >> 1)]!;
      weights[i] = (i & 1) === 0 ? byte >> 4 : byte & 15;
    }
  } else {
    next = at + 1 + header;
    if (next > end) corrupt();
    count = readWeights(bytes, at + 1, next, weights);
  }
  return { table: buildTable(weights, count), next };
}

/** Weights coded with a small finite state code, two states in turn. */
function readWeights(bytes: Uint8Array, at: number, end: number, weights: Uint8Array): number {
  const header = readFseHeader(bytes, at, end, 255, WEIGHT_LOG_MAX);
  const table = fseTable(header.counts, header.log);
  const bits = new BackwardBits(bytes, header.next, end);
  const states = [bits.read(table.log), bits.read(table.log)];
  let count = 0;
  for (let turn = 0; ; turn ^= 1) {
    if (count >= SYMBOLS_MAX - 1) corrupt();
    const state = states[turn]!;
    weights[count++] = table.symbol[state]!;
    const width = table.bits[state]!;
    states[turn] = table.base[state]! + bits.read(width);
    if (bits.overrun > 0) {
      // Out of bits: the other state's symbol is the last one.
      if (count >= SYMBOLS_MAX - 1) corrupt();
      weights[count++] = table.symbol[states[turn ^ 1]!]!;
      return count;
    }
  }
}

function buildTable(weights: Uint8Array, count: number): HuffmanTable {
  let total = 0;
  for (let i = 0; i < count; i++) {
    if (weights[i]! > BITS_MAX) corrupt();
    if (weights[i]! > 0) total += 1 << (weights[i]! - 1);
  }
  if (total === 0 || count >= SYMBOLS_MAX) corrupt();
  const bits = 32 - Math.clz32(total);
  if (bits > BITS_MAX) corrupt();
  const left = (1 << bits) - total;
  if ((left & (left - 1)) !== 0) corrupt(); // the last weight completes a power of two
  weights[count] = 32 - Math.clz32(left);
  const size = 1 << bits;
  const symbol = new Uint8Array(size);
  const length = new Uint8Array(size);
  let at = 0;
  for (let weight = 1; weight <= bits; weight++) {
    for (let i = 0; i <= count; i++) {
      if (weights[i] !== weight) continue;
      const span = 1 << (weight - 1);
      symbol.fill(i, at, at + span);
      length.fill(bits + 1 - weight, at, at + span);
      at += span;
    }
  }
  if (at !== size) corrupt();
  return { bits, symbol, length };
}

/** Decodes `count` literals of one stream to `to`. */
export function readHuffmanStream(
  table: HuffmanTable,
  bytes: Uint8Array,
  at: number,
  end: number,
  out: Uint8Array,
  to: number,
  count: number,
): void {
  const bits = new BackwardBits(bytes, at, end);
  for (let i = 0; i < count; i++) {
    const index = bits.peek(table.bits);
    out[to + i] = table.symbol[index]!;
    bits.skip(table.length[index]!);
  }
  if (!bits.finished) corrupt();
}
