import type { FrameMemory } from '../lib/frame-memory.ts';
import { COMPRESSION_MODELS, type CompressionModel } from '../lib/knet-facts.ts';

export const compressionMethod = (model: string): number => COMPRESSION_MODELS.indexOf(model as CompressionModel);

/** Used when the configuration says 0 (knet.md 6). */
export const DEFAULT_THRESHOLD_BYTES = 100;

/** Results that are no length. */
export const Compression = {
  /** Not shorter, or the model cannot be encoded here: send the message as it is. */
  NOT_SHORTER: -1,
  /** Corrupt, or longer than a message may be. */
  CORRUPT: -2,
  /** A model that nobody knows. */
  UNKNOWN: -3,
} as const;

/**
 * Compresses and expands whole messages inside of one memory. Implementations bound every output by `room` before they
 * write: what the network sends says nothing reliable about its size.
 */
export interface CompressionProvider {
  /** Length of the result at `target`, or `Compression.NOT_SHORTER`. */
  compress(
    method: number,
    level: number,
    memory: FrameMemory,
    offset: number,
    length: number,
    target: number,
    room: number,
  ): number;
  /** Length of the message at `target`, or `CORRUPT` or `UNKNOWN`. */
  decompress(method: number, memory: FrameMemory, offset: number, length: number, target: number, room: number): number;
}
