import { corrupt, guarded } from './corrupt.ts';

/**
 * LZO1X blocks (knet model `lzo2`). An instruction byte selects a match; its low bits, or those of the distance, say how many
 * literals (0..3) follow; what 0..15 means depends on how many came before it.
 *
 *   0..15    after no literals: a run of literals · after 1..3: 2 bytes from near · after a run: 3 bytes from 2 KiB on
 *   16..31   length 2 + 3 bits, distance 16 KiB + 14 bits; distance 16384 ends the block
 *   32..63   length 2 + 5 bits, distance 1 + 14 bits
 *   64..255  length 3..8, distance 1 + 11 bits
 */
const AFTER_RUN = 4;

class Lzo1x {
  private at: number;
  private to: number;
  private readonly end: number;
  private readonly limit: number;

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
    let state = 0;
    const first = this.bytes[this.at] ?? corrupt();
    if (first > 17) {
      this.at++;
      const literals = first - 17;
      this.literals(literals);
      state = Math.min(literals, AFTER_RUN);
    }
    for (;;) {
      const instruction = this.byte();
      if (instruction < 16 && state === 0) {
        this.literals((instruction === 0 ? this.extended(15) : instruction) + 3);
        state = AFTER_RUN;
        continue;
      }
      state = this.matched(instruction, state);
      if (state < 0) return this.to - this.target;
      this.literals(state);
    }
  }

  /** Copies a match; answers the number of literals behind it, or −1 at the end of the block. */
  private matched(instruction: number, state: number): number {
    if (instruction < 16) {
      const distance = (this.byte() << 2) + (instruction >> 2) + 1;
      if (state === AFTER_RUN) this.match(distance + 2048, 3);
      else this.match(distance, 2);
      return instruction & 3;
    }
    if (instruction >= 64) {
      const length = instruction >= 128 ? 5 + ((instruction >> 5) & 3) : 3 + ((instruction >> 5) & 1);
      this.match((this.byte() << 3) + ((instruction >> 2) & 7) + 1, length);
      return instruction & 3;
    }
    const far = instruction < 32;
    const mask = far ? 7 : 31;
    const length = ((instruction & mask) === 0 ? this.extended(mask) : instruction & mask) + 2;
    const word = this.byte() | (this.byte() << 8);
    if (!far) {
      this.match((word >> 2) + 1, length);
      return word & 3;
    }
    const distance = 16384 + ((instruction & 8) << 11) + (word >> 2);
    if (distance === 16384) {
      if (this.at !== this.end) corrupt();
      return -1;
    }
    this.match(distance, length);
    return word & 3;
  }

  private byte(): number {
    if (this.at >= this.end) corrupt();
    return this.bytes[this.at++]!;
  }

  /** A length of zero goes on in bytes: zeros are 255 each. */
  private extended(base: number): number {
    let length = base;
    for (;;) {
      const more = this.byte();
      if (more !== 0) return length + more;
      length += 255;
    }
  }

  private literals(count: number): void {
    if (this.at + count > this.end || this.to + count > this.limit) corrupt();
    this.bytes.copyWithin(this.to, this.at, this.at + count);
    this.at += count;
    this.to += count;
  }

  private match(distance: number, length: number): void {
    const from = this.to - distance;
    if (from < this.target || this.to + length > this.limit) corrupt();
    for (let i = 0; i < length; i++) this.bytes[this.to + i] = this.bytes[from + i]!;
    this.to += length;
  }
}

/** Length of the expanded block at `target`, or −1. */
export function lzo1xDecode(bytes: Uint8Array, offset: number, length: number, target: number, room: number): number {
  return guarded(() => new Lzo1x(bytes, offset, length, target, room).decode());
}
