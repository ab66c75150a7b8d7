import { corrupt } from './corrupt.ts';

/** Decoding table of a finite state entropy code (RFC 8878 4.1): for each state a symbol, and how the next state comes. */
export interface FseTable {
  readonly log: number;
  readonly symbol: Uint8Array;
  readonly bits: Uint8Array;
  readonly base: Uint16Array;
}

/** Where the spreading of symbols goes on; the same for coder and decoder. */
const stepOf = (size: number): number => (size >> 1) + (size >> 3) + 3;

/** Symbol of each state: rare ones at the end, the others spread. */
export function spread(counts: readonly number[] | Int16Array, log: number): Uint8Array {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  let high = size - 1;
  counts.forEach((count: number, symbol: number) => {
    if (count === -1) symbols[high--] = symbol;
  });
  const step = stepOf(size);
  let at = 0;
  for (let symbol = 0; symbol < counts.length; symbol++) {
    for (let i = 0; i < counts[symbol]!; i++) {
      symbols[at] = symbol;
      do at = (at + step) & (size - 1);
      while (at > high);
    }
  }
  if (at !== 0) corrupt();
  return symbols;
}

export function fseTable(counts: readonly number[] | Int16Array, log: number): FseTable {
  const size = 1 << log;
  const symbol = spread(counts, log);
  const bits = new Uint8Array(size);
  const base = new Uint16Array(size);
  const next = Uint16Array.from(counts, (count) => (count === -1 ? 1 : count));
  for (let state = 0; state < size; state++) {
    const value = next[symbol[state]!]!++;
    bits[state] = log - (31 - Math.clz32(value));
    base[state] = (value << bits[state]!) - size;
  }
  return { log, symbol, bits, base };
}

/** A table with one symbol, which takes no bits. */
export const fseSingle = (symbol: number): FseTable => ({
  log: 0,
  symbol: Uint8Array.of(symbol),
  bits: new Uint8Array(1),
  base: new Uint16Array(1),
});

export interface FseHeader {
  readonly counts: Int16Array;
  readonly log: number;
  /** First byte behind the description. */
  readonly next: number;
}

/** Reads the description of a distribution (RFC 8878 4.1.1). */
export function readFseHeader(
  bytes: Uint8Array,
  at: number,
  end: number,
  symbolMax: number,
  logMax: number,
): FseHeader {
  let bit = 0;
  const peek = (count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++) {
      const byte = at + ((bit + i) >> 3);
      if (byte < end && (bytes[byte]! >> ((bit + i) & 7)) & 1) value |= 1 << i;
    }
    return value;
  };
  const read = (count: number): number => {
    const value = peek(count);
    bit += count;
    if (bit > (end - at) * 8) corrupt();
    return value;
  };
  const log = read(4) + 5;
  if (log > logMax) corrupt();
  const counts = new Int16Array(symbolMax + 1);
  let remaining = (1 << log) + 1;
  let symbol = 0;
  while (remaining > 1) {
    if (symbol > symbolMax) corrupt();
    // One value of `remaining` + 1 possible ones, the smaller ones in a bit less.
    const width = 32 - Math.clz32(remaining);
    const small = (1 << width) - 1 - remaining;
    const threshold = 1 << (width - 1);
    let value = peek(width);
    if ((value & (threshold - 1)) < small) {
      value &= threshold - 1;
      read(width - 1);
    } else {
      read(width);
      if (value >= threshold) value -= small;
    }
    const count = value - 1;
    counts[symbol++] = count;
    remaining -= Math.abs(count);
    if (count !== 0) continue;
    for (let repeat = 3; repeat === 3; symbol += repeat) repeat = read(2);
  }
  if (remaining !== 1 || symbol > symbolMax + 1) corrupt();
  return { counts: counts.subarray(0, symbol), log, next: at + ((bit + 7) >> 3) };
}
