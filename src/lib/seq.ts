/**
 * Message and token sequence numbers: u32, compared the way stock compares them (totem.md 0). Numbers are kept unsigned.
 * The shift by 0x10000 makes 0xffffffff *smaller* than 0, which the first rotation of a ring relies on (totem.md trap 4).
 */
const HALF = 0x80000000;
const ADJUST = 0x10000;

export const seqAdd = (a: number, b: number): number => (a + b) >>> 0;
export const seqNext = (a: number): number => (a + 1) >>> 0;
/** Distance from `b` up to `a`, modulo 2^32, unsigned. */
export const seqDistance = (a: number, b: number): number => (a - b) >>> 0;

export function seqLt(a: number, b: number): boolean {
  if (a > HALF || b > HALF) return (a - ADJUST) >>> 0 < (b - ADJUST) >>> 0;
  return a < b;
}

export function seqLte(a: number, b: number): boolean {
  if (a > HALF || b > HALF) return (a - ADJUST) >>> 0 <= (b - ADJUST) >>> 0;
  return a <= b;
}

export const seqMin = (a: number, b: number): number => (seqLt(b, a) ? b : a);
export const seqMax = (a: number, b: number): number => (seqLt(a, b) ? b : a);
