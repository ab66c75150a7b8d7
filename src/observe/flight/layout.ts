/**
 * The flight recorder's file, and its memory while the daemon runs: a header page, then the records of each part, a ring of its own, which
 * one thread writes (docs/flight-recorder.md). Little-endian.
 *
 *   0        4096
 *   | header | ring thread's records | main thread's records | clients' records (main thread) |
 */
export const FLIGHT_MAGIC = 'RNDOFLT1';
export const FLIGHT_HEADER_BYTES = 4096;
export const FLIGHT_RECORD_BYTES = 256;

/** Parts in file order, and their share of the records: clients that come and go must not push out why the ring changed. */
export const FLIGHT_PARTS = ['ring', 'main', 'clients'] as const;
export type FlightPart = (typeof FLIGHT_PARTS)[number];
const SHARES: Readonly<Record<FlightPart, number>> = { ring: 1 / 2, main: 1 / 4, clients: 1 / 4 };

/** Offsets in the header. */
export const FlightHeader = {
  MAGIC: 0,
  RECORD_BYTES: 8,
  /** u32 for each part. */
  RECORDS: 12,
  NODE_ID: 28,
  /** 16 random bytes that the file and its live memory have in common. */
  ID: 32,
  /** u16 bytes, then the path of the live memory (UTF-8); empty: there is none. */
  LIVE_PATH: 64,
  /** f64 for each part, a cache line apart: its last sequence number. In the live memory only. */
  CURSORS: 1024,
} as const;
export const FLIGHT_ID_BYTES = 16;
export const LIVE_PATH_BYTES_MAX = 512;
export const FLIGHT_CURSOR_SPACING_BYTES = 128;

/** Offsets in a record. */
export const FlightField = {
  /** f64, from 1; the record of sequence n lies at (n − 1) mod records. Written last; 0 while the record is written. */
  SEQUENCE: 0,
  MONOTONIC_MS: 8,
  WALL_MS: 16,
  RING_SEQ: 24,
  RING_REP: 32,
  CHECKSUM: 36,
  /** Starts of the daemon that this file has seen. */
  LIFE: 40,
  KIND: 44,
  /** A record that does not fit is continued in the next ones: number of this one, and how many there are. */
  PIECE: 46,
  PIECES: 47,
  /** f64 × 8. */
  NUMBERS: 48,
  /** u32: bytes of `DATA` in use. */
  DATA_BYTES: 112,
  /** Lists, then texts, each with its length. */
  DATA: 116,
} as const;
export const FLIGHT_NUMBERS_MAX = 8;
export const FLIGHT_DATA_BYTES = FLIGHT_RECORD_BYTES - FlightField.DATA;
/** Pieces of one record; what is longer is cut. */
export const FLIGHT_PIECES_MAX = 64;

/** How many records each part has, and where they begin. */
export interface FlightLayout {
  readonly bytes: number;
  readonly parts: readonly { readonly part: FlightPart; readonly offset: number; readonly records: number }[];
}

export function flightLayout(records: readonly number[]): FlightLayout {
  let offset = FLIGHT_HEADER_BYTES;
  const parts = FLIGHT_PARTS.map((part, index) => {
    const own = { part, offset, records: records[index] ?? 0 };
    offset += own.records * FLIGHT_RECORD_BYTES;
    return own;
  });
  return { bytes: offset, parts };
}

/** The layout that makes the best of so many bytes, which hold a few records at least. */
export function flightLayoutOf(bytes: number): FlightLayout {
  const records = Math.floor((bytes - FLIGHT_HEADER_BYTES) / FLIGHT_RECORD_BYTES);
  return flightLayout(FLIGHT_PARTS.map((part) => Math.max(1, Math.floor(records * SHARES[part]))));
}

/**
 * Over all of a record but the checksum, with the sequence number that it has or gets. A record that was being written, or lies over another,
 * does not have the right one.
 */
export function flightChecksum(view: DataView, at: number, sequence: number): number {
  let sum = Math.imul(0x811c9dc5 ^ sequence, 0x01000193) ^ Math.floor(sequence / 0x1_0000_0000);
  for (let offset: number = FlightField.MONOTONIC_MS; offset < FLIGHT_RECORD_BYTES; offset += 4) {
    if (offset === FlightField.CHECKSUM) continue;
    sum = Math.imul(sum ^ view.getUint32(at + offset, true), 0x01000193);
    sum = (sum << 13) | (sum >>> 19);
  }
  return sum >>> 0;
}
