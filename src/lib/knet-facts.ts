/** What both the configuration and the core of knet have to know of it. */

/** Bounds of a key, as kronosnet checks them (knet.md 5). */
export const KEY_BYTES_MIN = 128;
export const KEY_BYTES_MAX = 4_096;

/** Wire ids (knet.md 6); stable, the position is the id. */
export const COMPRESSION_MODELS = ['none', 'zlib', 'lz4', 'lz4hc', 'lzo2', 'lzma', 'bzip2', 'zstd'] as const;
export type CompressionModel = (typeof COMPRESSION_MODELS)[number];

/** Which links of a host carry a message: the best one, all, or one after the other. */
export type LinkPolicy = 'passive' | 'active' | 'rr';

/** A link begins as one that is down, and knet counts that among the times that it went down. */
const DOWN_AT_BIRTH = 1;
/** How often it went down after it was up. */
export const timesDown = (downCount: number): number => Math.max(0, downCount - DOWN_AT_BIRTH);
