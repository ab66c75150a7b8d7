/**
 * LZ4 blocks: no frame header, no size prefix (knet.md 6).
 *
 *   token: literals high nibble, match length − 4 low nibble; 15 goes on in bytes of up to 255
 *   | token | more literal length | literals | offset LE16 | more match length | token …
 *   The last sequence has literals only; the last 5 bytes are literals, the last match starts 12 bytes before the end.
 */
const MATCH_MIN = 4;
const LAST_LITERALS = 5;
const MATCH_LIMIT = 12;
const OFFSET_MAX = 65_535;
const HASH_BITS = 14;
const SKIP_SHIFT = 6;

/** Length of the expanded block at `target`, or −1. Neither reads nor writes outside of what it was given. */
export function lz4Decode(bytes: Uint8Array, offset: number, length: number, target: number, room: number): number {
  const end = offset + length;
  const limit = target + room;
  let from = offset;
  let to = target;
  while (from < end) {
    const token = bytes[from++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) {
        if (from >= end) return -1;
        more = bytes[from++]!;
      }
    }
    if (from + literals > end || to + literals > limit) return -1;
    bytes.copyWithin(to, from, from + literals);
    from += literals;
    to += literals;
    if (from === end) return to - target;
    if (from + 2 > end) return -1;
    const distance = bytes[from]! | (bytes[from + 1]! << 8);
    from += 2;
    if (distance === 0 || to - distance < target) return -1;
    let match = (token & 15) + MATCH_MIN;
    if (match === 15 + MATCH_MIN) {
      for (let more = 255; more === 255; match += more) {
        if (from >= end) return -1;
        more = bytes[from++]!;
      }
    }
    if (to + match > limit) return -1;
    // A match may overlap what it writes: byte by byte then.
    if (distance >= match) bytes.copyWithin(to, to - distance, to - distance + match);
    else for (let i = 0; i < match; i++) bytes[to + i] = bytes[to - distance + i]!;
    to += match;
  }
  return -1; // the last sequence must end with its literals
}

const table = new Int32Array(1 << HASH_BITS);

const read32 = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);

const hash = (value: number): number => Math.imul(value, 0x9e3779b1) >>> (32 - HASH_BITS);

/** Length of the block at `target`, or −1 when it does not fit in `room`. Larger `acceleration` is faster and longer. */
export function lz4Encode(
  bytes: Uint8Array,
  offset: number,
  length: number,
  target: number,
  room: number,
  acceleration = 1,
): number {
  const end = offset + length;
  const limit = target + room;
  const matchLimit = end - MATCH_LIMIT;
  let anchor = offset;
  let to = target;
  table.fill(-1);
  let at = offset;
  let search = acceleration << SKIP_SHIFT;
  while (at <= matchLimit) {
    const value = read32(bytes, at);
    const slot = hash(value);
    const candidate = table[slot]!;
    table[slot] = at - offset;
    const match = candidate + offset;
    if (candidate < 0 || at - match > OFFSET_MAX || read32(bytes, match) !== value) {
      at += search++ >> SKIP_SHIFT;
      continue;
    }
    let length = MATCH_MIN;
    while (at + length < end - LAST_LITERALS && bytes[match + length] === bytes[at + length]) length++;
    to = writeSequence(bytes, anchor, at - anchor, at - match, length, to, limit);
    if (to < 0) return -1;
    at += length;
    anchor = at;
    search = acceleration << SKIP_SHIFT;
  }
  to = writeSequence(bytes, anchor, end - anchor, 0, 0, to, limit);
  return to < 0 ? -1 : to - target;
}

/** One sequence; with distance 0 the last one. Answers the next position or −1. */
function writeSequence(
  bytes: Uint8Array,
  literalsAt: number,
  literals: number,
  distance: number,
  match: number,
  at: number,
  limit: number,
): number {
  let to = at;
  if (to + 1 + literals + Math.floor(literals / 255) + 1 + 2 + Math.floor(match / 255) + 1 > limit) return -1;
  const extra = distance === 0 ? 0 : match - MATCH_MIN;
  bytes[to++] = (Math.min(literals, 15) << 4) | Math.min(extra, 15);
  if (literals >= 15) to = writeLength(bytes, literals - 15, to);
  bytes.copyWithin(to, literalsAt, literalsAt + literals);
  to += literals;
  if (distance === 0) return to;
  bytes[to++] = distance;
  bytes[to++] = distance >>> 8;
  return extra >= 15 ? writeLength(bytes, extra - 15, to) : to;
}

function writeLength(bytes: Uint8Array, length: number, at: number): number {
  let rest = length;
  let to = at;
  for (; rest >= 255; rest -= 255) bytes[to++] = 255;
  bytes[to++] = rest;
  return to;
}
