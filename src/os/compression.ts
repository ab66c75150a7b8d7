import koffi from 'koffi';
import { Arena } from './arena.ts';
import { bind, type CType } from './libc.ts';

/**
 * The compression libraries of the system, the same ones that kronosnet's own plugins load. Each is looked for when it is first
 * needed. Addresses and lengths are plain Numbers; a codec writes at most `room` bytes at `target` and returns how many, or a
 * negative number: no room, or input that makes no sense.
 */
export interface NativeCodec {
  compress(level: number, source: number, length: number, target: number, room: number): number;
  decompress(source: number, length: number, target: number, room: number): number;
  /** What the library calls its default level. */
  readonly defaultLevel: number;
}

export type NativeModel = 'zlib' | 'lz4' | 'lz4hc' | 'lzo2' | 'lzma' | 'bzip2' | 'zstd';

/** Names as the dynamic linker knows them (Debian's packages of the same name, without the dots). */
export const COMPRESSION_LIBRARIES: Readonly<Record<NativeModel, string>> = {
  zlib: 'libz.so.1',
  lz4: 'liblz4.so.1',
  lz4hc: 'liblz4.so.1',
  lzo2: 'liblzo2.so.2',
  lzma: 'liblzma.so.5',
  bzip2: 'libbz2.so.1.0',
  zstd: 'libzstd.so.1',
};

/** A decoder of .xz may use this much memory: what its highest preset needs, and not what a hostile header asks for. */
const LZMA_MEMORY_BYTES_MAX = 80 * 1024 * 1024;
const FAILED = -1;

type Native = (...args: number[]) => number;
type Library = (name: string, result: CType, args: readonly CType[]) => Native;

const P: CType = 'uintptr_t';
const N: CType = 'size_t';
const I: CType = 'int';

/** One codec a model and thread: each has working memory of its own. */
const codecs: Partial<Record<NativeModel, NativeCodec>> = {};

/** Loads the library of a model, once; throws with the dynamic linker's reason when it cannot be had. */
export function loadCompression(model: NativeModel): NativeCodec {
  codecs[model] ??= bindCodec(model);
  return codecs[model];
}

function bindCodec(model: NativeModel): NativeCodec {
  const loaded = koffi.load(COMPRESSION_LIBRARIES[model]);
  const library: Library = (name, result, args) => {
    const declared: unknown = loaded.func(name, result, [...args]);
    return declared as Native;
  };
  return CODECS[model](library);
}

/** Lengths that libraries take and give by reference, and room that they work in; one per thread. */
const WORK_BYTES = 1 << 20;
let work: Arena | null = null;
const workArena = (): Arena => {
  work ??= Arena.map(WORK_BYTES);
  return work;
};

/** A 64-bit length in native memory, given and taken as a Number. */
class Cell {
  private readonly arena = workArena();
  private readonly at = this.arena.allocate(8);
  readonly address = this.arena.address + this.at;

  set(value: number): void {
    this.arena.u32[this.at >> 2] = value;
    this.arena.u32[(this.at >> 2) + 1] = 0;
  }

  get(): number {
    return this.arena.u32[this.at >> 2] as number;
  }
}

function zlib(library: Library): NativeCodec {
  const pack = library('compress2', I, [P, P, P, N, I]);
  const expand = library('uncompress', I, [P, P, P, N]);
  const size = new Cell();
  return {
    defaultLevel: -1,
    compress(level, source, length, target, room) {
      size.set(room);
      return pack(target, size.address, source, length, level) === 0 ? size.get() : FAILED;
    },
    decompress(source, length, target, room) {
      size.set(room);
      return expand(target, size.address, source, length) === 0 ? size.get() : FAILED;
    },
  };
}

function lz4(library: Library, pack: Native, defaultLevel: number): NativeCodec {
  const expand = library('LZ4_decompress_safe', I, [P, P, I, I]);
  return {
    defaultLevel,
    compress: (level, source, length, target, room) => pack(source, target, length, room, level) || FAILED,
    decompress: (source, length, target, room) => expand(source, target, length, room),
  };
}

/** Variants of the compressor by level, with the working memory that each needs; any other level means the first. */
const LZO_VARIANTS: readonly (readonly [number, string])[] = [
  [1, 'lzo1x_1_compress'],
  [11, 'lzo1x_1_11_compress'],
  [12, 'lzo1x_1_12_compress'],
  [15, 'lzo1x_1_15_compress'],
  [999, 'lzo1x_999_compress'],
];
const LZO_WORK_BYTES = 14 * 16_384 * 2;
/** The compressor does not know how much room there is: it gets more than a message of 65,536 bytes can become. */
const LZO_INPUT_BYTES_MAX = 65_536;
const LZO_OUTPUT_BYTES = LZO_INPUT_BYTES_MAX + LZO_INPUT_BYTES_MAX / 16 + 64 + 3;

function lzo2(library: Library): NativeCodec {
  // Version 1, and -1 for each size that the caller could have checked against the library's own.
  const start = library('__lzo_init_v2', I, ['uint32_t', I, I, I, I, I, I, I, I, I]);
  if (start(1, -1, -1, -1, -1, -1, -1, -1, -1, -1) !== 0) throw new Error('lzo_init failed');
  const variants = LZO_VARIANTS.map(([level, name]) => [level, library(name, I, [P, N, P, P, P])] as const);
  const expand = library('lzo1x_decompress_safe', I, [P, N, P, P, P]);
  const copy = bind<(target: number, source: number, bytes: number) => number>('memcpy', P, [P, P, N]);
  const arena = workArena();
  const working = arena.address + arena.allocate(LZO_WORK_BYTES, 16);
  const packed = arena.address + arena.allocate(LZO_OUTPUT_BYTES);
  const size = new Cell();
  return {
    defaultLevel: 1,
    compress(level, source, length, target, room) {
      if (length > LZO_INPUT_BYTES_MAX) return FAILED;
      const variant = variants.find(([known]) => known === level) ?? variants[0];
      size.set(LZO_OUTPUT_BYTES);
      if (variant?.[1](source, length, packed, size.address, working) !== 0 || size.get() > room) return FAILED;
      copy(target, packed, size.get());
      return size.get();
    },
    decompress(source, length, target, room) {
      size.set(room);
      return expand(source, length, target, size.address, 0) === 0 ? size.get() : FAILED;
    },
  };
}

function lzma(library: Library): NativeCodec {
  const pack = library('lzma_easy_buffer_encode', I, ['uint32_t', I, P, P, N, P, P, N]);
  const expand = library('lzma_stream_buffer_decode', I, [P, 'uint32_t', P, P, P, N, P, P, N]);
  const [limit, from, to] = [new Cell(), new Cell(), new Cell()];
  return {
    defaultLevel: 6,
    compress(level, source, length, target, room) {
      if (level < 0) return FAILED;
      to.set(0);
      return pack(level, 0, 0, source, length, target, to.address, room) === 0 ? to.get() : FAILED;
    },
    decompress(source, length, target, room) {
      limit.set(LZMA_MEMORY_BYTES_MAX);
      from.set(0);
      to.set(0);
      const failed = expand(limit.address, 0, 0, source, from.address, length, target, to.address, room) !== 0;
      return failed ? FAILED : to.get();
    },
  };
}

function bzip2(library: Library): NativeCodec {
  const pack = library('BZ2_bzBuffToBuffCompress', I, [P, P, P, 'uint32_t', I, I, I]);
  const expand = library('BZ2_bzBuffToBuffDecompress', I, [P, P, P, 'uint32_t', I, I]);
  const size = new Cell();
  return {
    defaultLevel: 9,
    compress(level, source, length, target, room) {
      size.set(room);
      return pack(target, size.address, source, length, level, 0, 0) === 0 ? size.get() : FAILED;
    },
    decompress(source, length, target, room) {
      size.set(room);
      return expand(target, size.address, source, length, 0, 0) === 0 ? size.get() : FAILED;
    },
  };
}

function zstd(library: Library): NativeCodec {
  const pack = library('ZSTD_compressCCtx', 'int64_t', [P, P, N, P, N, I]);
  const expand = library('ZSTD_decompressDCtx', 'int64_t', [P, P, N, P, N]);
  const packing = library('ZSTD_createCCtx', P, [])();
  const expanding = library('ZSTD_createDCtx', P, [])();
  if (packing === 0 || expanding === 0) throw new Error('no memory for zstd');
  return {
    defaultLevel: 3,
    // Errors are sizes just below 2^64: negative here.
    compress: (level, source, length, target, room) => pack(packing, target, room, source, length, level),
    decompress: (source, length, target, room) => expand(expanding, target, room, source, length),
  };
}

const CODECS: Readonly<Record<NativeModel, (library: Library) => NativeCodec>> = {
  zlib,
  lz4: (library) => lz4(library, library('LZ4_compress_fast', I, [P, P, I, I, I]), 1),
  lz4hc: (library) => lz4(library, library('LZ4_compress_HC', I, [P, P, I, I, I]), 9),
  lzo2,
  lzma,
  bzip2,
  zstd,
};
