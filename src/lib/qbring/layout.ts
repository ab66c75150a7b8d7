/**
 * Where things are in a chunk ring; no algorithm. The format is libqb's (libqb-ipc.md 2), byte for byte.
 *
 *   header file of libqb, 8248 bytes                          header between our own threads, 512 bytes
 *   word 0     write_pt     next word to write                word 0     write_pt      each on its own cache lines,
 *   word 1     read_pt      next word to read                 word 32    read_pt       so that writer and reader
 *   word 2     word_size    words in the ring                 word 64    word_size     do not take them from each
 *   byte 12    header path  4096                              word 96    semaphore     other
 *   byte 4108  data path    4096                              word 97    waiters
 *   word 2051  ref_count    1 server, 2 with its client
 *   word 2052  semaphore    sem_t: value, waiters, 128 …
 *   word 2060  flow-control word (request ring)
 *
 *   data: chunks, one after the other, indices modulo word_size
 *   word p              length of the payload in bytes
 *   word p + 1          magic
 *   word p + 2 …        payload, padded to a word             next chunk: p + 2 + ceil(length / 4)
 *
 * A chunk may cross the end. Everywhere in this project it is contiguous all the same, in one of two ways:
 *   - the data file is mapped twice, back to back (towards clients), or
 *   - the memory has a tail of one longest chunk behind its last word (between threads): a crossing chunk simply runs on into the
 *     tail, and as many words at the start stay unused. Both sides must then know of the tail.
 * For foreign memory with neither there are the copying `WrappedRingReader` and `WrappedRingWriter`.
 */
export interface RingLayout {
  readonly writeWord: number;
  readonly readWord: number;
  readonly sizeWord: number;
  readonly semaphoreWord: number;
  readonly waitersWord: number;
  readonly headerBytes: number;
}

export const QB_LAYOUT: RingLayout = {
  writeWord: 0,
  readWord: 1,
  sizeWord: 2,
  semaphoreWord: 2052,
  waitersWord: 2053,
  headerBytes: 8248,
};

export const THREAD_LAYOUT: RingLayout = {
  writeWord: 0,
  readWord: 32,
  sizeWord: 64,
  semaphoreWord: 96,
  waitersWord: 97,
  headerBytes: 512,
};

/** Further fields of libqb's header file. */
export const QB_HEADER = {
  headerPath: 12,
  dataPath: 4108,
  pathBytes: 4096,
  refCountWord: 2051,
  semaphoreScopeWord: 2054,
  flowControlWord: 2060,
  /** What the server makes the file, and what it maps. */
  fileBytes: 8252,
  mappedBytes: 12288,
} as const;

export const Magic = {
  COMMITTED: 0xa1a1a1a1 | 0,
  ALLOCATED: 0xa110ced0 | 0,
  CONSUMED: 0xd0d0d0d0 | 0,
} as const;

export const CHUNK_HEADER_BYTES = 8;
/** A chunk of L bytes may be written if and only if L + 12 bytes are free (libqb-ipc.md 2.4). */
export const CHUNK_MARGIN_BYTES = 12;

/** One ring in memory: which bytes, and what is allowed in them. Offsets are bytes from the start of the views, multiples of 4. */
export interface RingMemory {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly layout: RingLayout;
  readonly header: number;
  readonly data: number;
  /** Words in the ring, from the agreed sizes: never read from shared memory. */
  readonly words: number;
  /** Longest payload. */
  readonly chunkBytesMax: number;
}

/** Bytes of the data file for an agreed maximum message size (libqb-ipc.md 2.2). */
export const qbDataBytes = (maxMessageBytes: number): number => Math.ceil((maxMessageBytes + 13) / 4096) * 4096;

/** Longest payload that fits an empty ring. */
export const chunkBytesMax = (words: number): number => words * 4 - CHUNK_MARGIN_BYTES;

/** Words between the start of a chunk and the start of the next one. */
export const chunkWords = (lengthBytes: number): number => 2 + ((lengthBytes + 3) >> 2);

/** Why a ring is not usable any more: its peer wrote something that the format does not allow. */
export type RingFault = 'badIndex' | 'badSemaphore' | 'badMagic' | 'badLength';
