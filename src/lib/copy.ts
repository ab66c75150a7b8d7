/** Below this many bytes a loop beats a call, and makes no garbage where `set` needs a subarray. */
const LOOP_BYTES_MAX = 48;

/**
 * Copies between byte arrays without garbage where that is possible: inside one array always, between two for short
 * pieces. Overlapping ranges of one array are fine.
 */
export function copyBytes(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  if (from === to) to.copyWithin(toAt, fromAt, fromAt + length);
  else if (length > LOOP_BYTES_MAX) to.set(from.subarray(fromAt, fromAt + length), toAt);
  else for (let index = 0; index < length; index++) to[toAt + index] = from[fromAt + index]!;
}

/** Little-endian u32 at any alignment. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
