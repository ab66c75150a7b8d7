import { corrupt, guarded } from './corrupt.ts';
import { LzmaDecoder } from './lzma.ts';

/**
 * .xz containers with LZMA2 (knet model `lzma`), decoding:
 *
 *   | magic 6 | flags 2 | crc 4 |  block: header, LZMA2 chunks, padding to 4, check  …  | index | footer |
 *
 * libknet writes no integrity check; others are skipped: the packet has been authenticated, or nothing can be trusted anyway.
 */
const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] as const;
const HEADER_BYTES = 12;
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64] as const;
const LZMA2_FILTER = 0x21;
/** Plain data behind a dictionary reset; 0xe0 and up are packed data behind one. */
const DICTIONARY_RESET = 1;

class Xz {
  private at: number;
  private readonly end: number;
  private to: number;
  private readonly limit: number;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly offset: number,
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
    const { bytes } = this;
    if (this.end - this.at < HEADER_BYTES) corrupt();
    MAGIC.forEach((byte, i) => {
      if (bytes[this.at + i] !== byte) corrupt();
    });
    if (bytes[this.at + 6] !== 0 || bytes[this.at + 7]! > 15) corrupt();
    const checkBytes = CHECK_BYTES[bytes[this.at + 7]!] ?? corrupt();
    this.at += HEADER_BYTES;
    // A zero in the place of a block's header size begins the index.
    while (this.byte() !== 0) {
      this.at--;
      this.block(checkBytes);
    }
    return this.to - this.target;
  }

  private block(checkBytes: number): void {
    const headerAt = this.at;
    const headerEnd = headerAt + (this.byte() + 1) * 4;
    if (headerEnd > this.end) corrupt();
    const flags = this.byte();
    if ((flags & 0x3f) !== 0) corrupt(); // one filter, no reserved bits
    if ((flags & 0x40) !== 0) this.variable();
    if ((flags & 0x80) !== 0) this.variable();
    if (this.variable() !== LZMA2_FILTER || this.variable() !== 1) corrupt();
    this.byte(); // dictionary size: the whole output is the dictionary
    if (this.at > headerEnd - 4) corrupt();
    this.at = headerEnd;
    this.lzma2();
    while (((this.at - this.offset) & 3) !== 0) if (this.byte() !== 0) corrupt();
    this.at += checkBytes;
    if (this.at > this.end) corrupt();
  }

  /** Chunks until the end mark: control byte, sizes, and LZMA or plain data. */
  private lzma2(): void {
    const decoder = new LzmaDecoder(this.bytes);
    let start = this.to;
    let needProperties = true;
    let needState = true;
    for (;;) {
      const control = this.byte();
      if (control === 0) return;
      if (control === DICTIONARY_RESET || control >= 0xe0) start = this.to;
      if (control < 0x80) {
        if (control > 2) corrupt();
        this.plain((this.byte() << 8) + this.byte() + 1);
        continue;
      }
      const size = ((control & 0x1f) << 16) + (this.byte() << 8) + this.byte() + 1;
      const packed = (this.byte() << 8) + this.byte() + 1;
      const reset = (control >> 5) & 3;
      if (reset >= 2) {
        decoder.setProperties(this.byte());
        needProperties = false;
      }
      if (reset >= 1) {
        decoder.resetState();
        needState = false;
      }
      if (needProperties || needState) corrupt();
      if (this.at + packed > this.end || this.to + size > this.limit) corrupt();
      decoder.chunk(this.at, packed, start, this.to, size);
      this.at += packed;
      this.to += size;
    }
  }

  private plain(size: number): void {
    if (this.at + size > this.end || this.to + size > this.limit) corrupt();
    this.bytes.copyWithin(this.to, this.at, this.at + size);
    this.at += size;
    this.to += size;
  }

  private byte(): number {
    if (this.at >= this.end) corrupt();
    return this.bytes[this.at++]!;
  }

  /** A number in groups of seven bits; only small ones matter here. */
  private variable(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) return value;
    }
    return corrupt();
  }
}

/** Length of the expanded data at `target`, or −1. */
export function xzDecode(bytes: Uint8Array, offset: number, length: number, target: number, room: number): number {
  return guarded(() => new Xz(bytes, offset, length, target, room).decode());
}
