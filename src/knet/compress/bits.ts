import { corrupt } from './corrupt.ts';

/**
 * Bits from the end of a range to its start (RFC 8878 4.1): the last byte's highest set bit marks the end. Reading past the
 * start gives zeros, and `overrun` says how many.
 */
export class BackwardBits {
  /** Position of the next bit to read, counted from the start; below 0: past the start. */
  private position: number;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly start: number,
    end: number,
  ) {
    if (end <= start) corrupt();
    const last = bytes[end - 1]!;
    if (last === 0) corrupt();
    this.position = (end - start) * 8 - 8 + (31 - Math.clz32(last));
  }

  read(count: number): number {
    const from = this.position - count;
    this.position = from;
    return count === 0 ? 0 : this.extract(from, count);
  }

  /** Looks at the next bits and leaves them. */
  peek(count: number): number {
    return count === 0 ? 0 : this.extract(this.position - count, count);
  }

  skip(count: number): void {
    this.position -= count;
  }

  get finished(): boolean {
    return this.position === 0;
  }
  get overrun(): number {
    return this.position < 0 ? -this.position : 0;
  }

  /** `count` ≤ 31 bits from bit `from` on; those before the start are zero. */
  private extract(from: number, count: number): number {
    let value = 0;
    let shift = 0;
    let at = from;
    let left = count;
    if (at < 0) {
      const missing = Math.min(-at, left);
      shift = missing;
      left -= missing;
      at = 0;
    }
    while (left > 0) {
      const offset = at & 7;
      const take = Math.min(8 - offset, left);
      value += ((this.bytes[this.start + (at >> 3)]! >> offset) & ((1 << take) - 1)) * 2 ** shift;
      shift += take;
      at += take;
      left -= take;
    }
    return value;
  }
}
