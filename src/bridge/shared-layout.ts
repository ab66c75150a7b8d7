import { RecordReader, RecordWriter, recordRingBytes, recordRingMemory } from './record-ring.ts';

/**
 * The memory that both threads see, one SharedArrayBuffer:
 *
 *   0              4096               STATISTICS_END       …                     …
 *   | state words  | statistics f64[] | ring: main → ring  | ring: ring → main   |
 *
 * State words that different threads write lie on different cache lines (128 bytes apart).
 */
const WORDS_PER_LINE = 32;

/** Index of an Int32 in the state words. */
export const StateWord = {
  /** 1 while the main thread waits in libuv and wants a byte; written by both (set by main, cleared by either). */
  MAIN_ASLEEP: 0,
  /** 1 when control messages wait for room; the ring thread clears it and knocks after reading. */
  MAIN_WANTS_ROOM: 1,
  /** 1 while the ring thread waits in epoll and wants the eventfd. */
  RING_ASLEEP: WORDS_PER_LINE,
  /** 1 while the ring thread is paused (`pause`); written by the main thread. */
  PAUSED: WORDS_PER_LINE + 1,
  /** 1: a client in this process has requests for the ring thread, room for events, or is gone; the ring thread clears it. */
  CLIENTS_KNOCKED: 3 * WORDS_PER_LINE,
  /** 1: the ring thread has something for clients in this process; the main thread clears it. */
  NEWS_FOR_CLIENTS: 4 * WORDS_PER_LINE,
  // Written by the ring thread only:
  /** 1 from the first configuration change on until the last barrier; 1 at start (services.md 3.1). */
  SYNC_IN_PROGRESS: 2 * WORDS_PER_LINE,
  /** Slots of the send queue that are free and not reserved (totem.md 5.6). */
  QUEUE_FREE: 2 * WORDS_PER_LINE + 1,
  QUEUE_TOTAL: 2 * WORDS_PER_LINE + 2,
  /** 0 low, 1 good, 2 high, 3 critical. */
  QUEUE_LEVEL: 2 * WORDS_PER_LINE + 3,
  /** What one packet is charged for (lib/packet-charge.ts). */
  QUEUE_PACKET_BYTES: 2 * WORDS_PER_LINE + 4,
  /** A request of this size or more can never be sent (services.md 2.2 step 1). */
  QUEUE_BYTES_LIMIT: 2 * WORDS_PER_LINE + 5,
  /** Turns of the loop; a main thread that sees it stall for long knows that the ring thread hangs. */
  LOOP_TURNS: 2 * WORDS_PER_LINE + 6,
  /** 1 while the ring stalls because the main thread does not take its records (record-queue.ts). */
  STALLED: 2 * WORDS_PER_LINE + 7,
} as const;

export const STATE_BYTES = 4096;
export const STATISTIC_SLOTS = 16_384;
export const STATISTICS_OFFSET = STATE_BYTES;
export const RINGS_OFFSET = STATISTICS_OFFSET + STATISTIC_SLOTS * 8;

/** Views of the shared memory, made once in each thread. */
export interface SharedViews {
  readonly state: Int32Array;
  /** Doubles: exact up to 2^53, written without a lock by the ring thread, one aligned store each. */
  readonly statistics: Float64Array;
}

export function sharedViews(shared: SharedArrayBuffer): SharedViews {
  return {
    state: new Int32Array(shared, 0, STATE_BYTES / 4),
    statistics: new Float64Array(shared, STATISTICS_OFFSET, STATISTIC_SLOTS),
  };
}

const TO_RING_BYTES = 4 << 20;
/** Holds the longest Totem message many times; untouched pages cost nothing. */
const FROM_RING_BYTES = 16 << 20;
const TO_RING_OFFSET = RINGS_OFFSET;
const FROM_RING_OFFSET = TO_RING_OFFSET + recordRingBytes(TO_RING_BYTES);

export function allocateShared(): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(FROM_RING_OFFSET + recordRingBytes(FROM_RING_BYTES));
  recordRingMemory(shared, TO_RING_OFFSET, TO_RING_BYTES, true);
  recordRingMemory(shared, FROM_RING_OFFSET, FROM_RING_BYTES, true);
  return shared;
}

/** The four ends of the two rings; each thread makes its two. */
export const toRingWriter = (shared: SharedArrayBuffer): RecordWriter =>
  new RecordWriter(recordRingMemory(shared, TO_RING_OFFSET, TO_RING_BYTES, false));
export const toRingReader = (shared: SharedArrayBuffer): RecordReader =>
  new RecordReader(recordRingMemory(shared, TO_RING_OFFSET, TO_RING_BYTES, false));
export const fromRingWriter = (shared: SharedArrayBuffer): RecordWriter =>
  new RecordWriter(recordRingMemory(shared, FROM_RING_OFFSET, FROM_RING_BYTES, false));
export const fromRingReader = (shared: SharedArrayBuffer): RecordReader =>
  new RecordReader(recordRingMemory(shared, FROM_RING_OFFSET, FROM_RING_BYTES, false));
