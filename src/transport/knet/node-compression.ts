import * as zlib from 'node:zlib';
import { bzip2Decode } from '../../knet/compress/bzip2.ts';
import { lz4Decode, lz4Encode } from '../../knet/compress/lz4.ts';
import { lzo1xDecode } from '../../knet/compress/lzo1x.ts';
import { xzDecode } from '../../knet/compress/xz.ts';
import { zstdDecode } from '../../knet/compress/zstd-decode.ts';
import { zstdEncode } from '../../knet/compress/zstd-encode.ts';
import { COMPRESSION_MODELS, Compression, type CompressionProvider } from '../../knet/compression.ts';
import type { FrameMemory } from '../../lib/frame-memory.ts';

type ZstdCompress = (bytes: Uint8Array, options: { readonly params: Readonly<Record<number, number>> }) => Uint8Array;

/** node has zstd from 22.15 on; the types in use are older. */
const library: Readonly<Record<string, unknown>> = { ...zlib };
const zstdCompress = library['zstdCompressSync'] as ZstdCompress | undefined;
const ZSTD_C_COMPRESSION_LEVEL = 100;
const ZLIB_LEVEL_MAX = 9;

/** Models whose messages we can write; the others are read only (sending uncompressed is always allowed). */
const WRITABLE = ['none', 'zlib', 'lz4', 'lz4hc', 'zstd'] as const;
export const canCompress = (model: string): boolean => WRITABLE.some((name) => name === model);

const METHOD = Object.fromEntries(COMPRESSION_MODELS.map((name, id) => [name, id])) as Readonly<
  Record<(typeof COMPRESSION_MODELS)[number], number>
>;

/** All seven models of stock (knet.md 6): zlib, and zstd where there is one, from node; the rest is our own. */
export class NodeCompression implements CompressionProvider {
  compress(
    method: number,
    level: number,
    memory: FrameMemory,
    offset: number,
    length: number,
    target: number,
    room: number,
  ): number {
    const { bytes } = memory;
    switch (method) {
      case METHOD.zlib:
        return place(deflate(bytes.subarray(offset, offset + length), level), bytes, target, room);
      case METHOD.lz4:
      case METHOD.lz4hc:
        // The level of lz4 is an acceleration. What lz4hc finds in addition to it is not worth the ring's time.
        return shorter(lz4Encode(bytes, offset, length, target, room, method === METHOD.lz4 ? acceleration(level) : 1));
      case METHOD.zstd: {
        if (zstdCompress === undefined) return shorter(zstdEncode(bytes, offset, length, target, room));
        const params = { [ZSTD_C_COMPRESSION_LEVEL]: level };
        return place(zstdCompress(bytes.subarray(offset, offset + length), { params }), bytes, target, room);
      }
      default:
        return Compression.NOT_SHORTER;
    }
  }

  decompress(
    method: number,
    memory: FrameMemory,
    offset: number,
    length: number,
    target: number,
    room: number,
  ): number {
    const { bytes } = memory;
    switch (method) {
      case METHOD.zlib:
        return inflate(bytes, offset, length, target, room);
      case METHOD.lz4:
      case METHOD.lz4hc:
        return sound(lz4Decode(bytes, offset, length, target, room));
      case METHOD.lzo2:
        return sound(lzo1xDecode(bytes, offset, length, target, room));
      case METHOD.lzma:
        return sound(xzDecode(bytes, offset, length, target, room));
      case METHOD.bzip2:
        return sound(bzip2Decode(bytes, offset, length, target, room));
      case METHOD.zstd:
        return sound(zstdDecode(bytes, offset, length, target, room));
      default:
        return Compression.UNKNOWN;
    }
  }
}

const acceleration = (level: number): number => Math.min(64, Math.max(1, level));
const shorter = (length: number): number => (length > 0 ? length : Compression.NOT_SHORTER);
const sound = (length: number): number => (length >= 0 ? length : Compression.CORRUPT);

/** Level 0 does not shrink anything: stock falls back to the library's default then (knet.md 6). */
const deflate = (bytes: Uint8Array, level: number): Uint8Array =>
  zlib.deflateSync(bytes, level > 0 ? { level: Math.min(level, ZLIB_LEVEL_MAX) } : {});

function place(packed: Uint8Array, bytes: Uint8Array, target: number, room: number): number {
  if (packed.length > room) return Compression.NOT_SHORTER;
  bytes.set(packed, target);
  return packed.length;
}

function inflate(bytes: Uint8Array, offset: number, length: number, target: number, room: number): number {
  try {
    const out = zlib.inflateSync(bytes.subarray(offset, offset + length), { maxOutputLength: room });
    bytes.set(out, target);
    return out.length;
  } catch {
    return Compression.CORRUPT;
  }
}
