import { Compression, type CompressionProvider } from '../../knet/compression.ts';
import { type FrameMemory, frameMemory } from '../../lib/frame-memory.ts';
import { COMPRESSION_MODELS } from '../../lib/knet-facts.ts';
import { COMPRESSION_LIBRARIES, loadCompression, type NativeCodec, type NativeModel } from '../../os/compression.ts';
import { addressOf } from '../../os/libc.ts';

/** A level must make this buffer of zeroes shorter, or it is no level: zlib's 0, for example (knet.md 6). */
const TRIAL_BYTES = 4096;

/** Reports which library is missing, and why; once until `retry`. */
export type MissingLibrary = (model: string, library: string, reason: string) => void;

/**
 * The seven models of stock (knet.md 6), by the libraries that kronosnet's plugins use. A library is loaded when a message of
 * its model arrives for the first time, or when the model is configured. Without it, messages of that model are dropped
 * as of an unknown one, and what this node sends stays uncompressed.
 */
export class LibraryCompression implements CompressionProvider {
  /** By method; `null`: cannot be had; absent: not tried yet. */
  private readonly codecs: (NativeCodec | null | undefined)[] = [];
  private memory: FrameMemory | null = null;
  private base = 0;
  /** The level that was configured last, and what is used for it. */
  private method = 0;
  private asked = 0;
  private level = 0;

  constructor(
    private readonly missing: MissingLibrary,
    private readonly loader: (model: NativeModel) => NativeCodec = loadCompression,
  ) {}

  /** Looks again for libraries that were missing, and loads the one of `method` now. At start and on a reload. */
  prepare(method: number): void {
    this.codecs.forEach((codec, at) => {
      if (codec === null) this.codecs[at] = undefined;
    });
    if (method !== 0) this.codec(method);
  }

  compress(
    method: number,
    level: number,
    memory: FrameMemory,
    offset: number,
    length: number,
    target: number,
    room: number,
  ): number {
    const codec = this.codec(method);
    if (codec === null) return Compression.NOT_SHORTER;
    if (method !== this.method || level !== this.asked) this.chooseLevel(codec, method, level);
    const base = this.baseOf(memory);
    const result = codec.compress(this.level, base + offset, length, base + target, room);
    return result > 0 ? result : Compression.NOT_SHORTER;
  }

  decompress(
    method: number,
    memory: FrameMemory,
    offset: number,
    length: number,
    target: number,
    room: number,
  ): number {
    const codec = this.codec(method);
    if (codec === null) return Compression.UNKNOWN;
    const base = this.baseOf(memory);
    const result = codec.decompress(base + offset, length, base + target, room);
    return result >= 0 ? result : Compression.CORRUPT;
  }

  private codec(method: number): NativeCodec | null {
    const known = this.codecs[method];
    return known === undefined ? this.load(method) : known;
  }

  private load(method: number): NativeCodec | null {
    const model = COMPRESSION_MODELS[method];
    let codec: NativeCodec | null = null;
    if (model !== undefined && model !== 'none') {
      try {
        codec = this.loader(model);
      } catch (error) {
        this.missing(model, COMPRESSION_LIBRARIES[model], error instanceof Error ? error.message : String(error));
      }
    }
    // What no model has (a byte from the network) is not remembered: the table stays as long as the list of models.
    if (method < COMPRESSION_MODELS.length) this.codecs[method] = codec;
    return codec;
  }

  private chooseLevel(codec: NativeCodec, method: number, level: number): void {
    this.method = method;
    this.asked = level;
    const trial = frameMemory(new Uint8Array(2 * TRIAL_BYTES));
    const at = addressOf(trial.bytes);
    const length = codec.compress(level, at, TRIAL_BYTES, at + TRIAL_BYTES, TRIAL_BYTES - 1);
    this.level = length > 0 ? level : codec.defaultLevel;
  }

  private baseOf(memory: FrameMemory): number {
    if (memory !== this.memory) {
      this.memory = memory;
      this.base = addressOf(memory.bytes);
    }
    return this.base;
  }
}
