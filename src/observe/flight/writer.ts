import { assert } from '../../lib/assert.ts';
import { NO_RING, type RingId } from '../../lib/ring-id.ts';
import { flightView } from './header.ts';
import { FLIGHT_KINDS, type FlightFields, type FlightKind } from './kinds.ts';
import {
  FLIGHT_CURSOR_SPACING_BYTES,
  FLIGHT_DATA_BYTES,
  FLIGHT_NUMBERS_MAX,
  FLIGHT_PARTS,
  FLIGHT_PIECES_MAX,
  FLIGHT_RECORD_BYTES,
  FlightField,
  FlightHeader,
  type FlightLayout,
  type FlightPart,
  flightChecksum,
} from './layout.ts';

/** Records of one kind that may come at once, and in a second after that: whoever causes them must not push out all others. */
const BURST = 64;
const PER_SECOND: Readonly<Record<FlightPart, number>> = { ring: 1 / 2, main: 1 / 2, clients: 2 };
const CODES = 128;
const TEXT_BYTES_MAX = 400;

/** Both clocks in milliseconds; the first one must be the same in all threads. */
export interface FlightClock {
  monotonicMs(): number;
  wallMs(): number;
}

/** What writes into one part needs to know. Sequence numbers go on where an earlier life stopped. */
export interface FlightPartOptions {
  readonly part: FlightPart;
  readonly layout: FlightLayout;
  readonly life: number;
  readonly lastSequence: number;
  readonly clock: FlightClock;
}

/** Writes records. The ring thread has one, the main thread two; each part has one writer, so there is no lock and no system call. */
export interface FlightLog {
  /** The ring that the next records belong to. */
  ring: RingId;
  write<K extends FlightKind>(kind: K, fields: FlightFields<K>): void;
}

/** For who has no recorder. */
export const NO_FLIGHT_LOG: FlightLog = { ring: NO_RING, write: () => {} };

type Value = number | string | readonly number[];

export class FlightWriter implements FlightLog {
  ring: RingId = NO_RING;
  private readonly view: DataView;
  private readonly options: FlightPartOptions;
  private readonly first: number;
  private readonly records: number;
  private readonly cursor: number;
  private sequence: number;
  private readonly encoder = new TextEncoder();
  private readonly data = new Uint8Array(FLIGHT_PIECES_MAX * FLIGHT_DATA_BYTES);
  private readonly dataView = new DataView(this.data.buffer);
  private readonly allowed = new Float64Array(CODES).fill(BURST);
  private readonly allowedAtMs = new Float64Array(CODES);
  private readonly omitted = new Uint32Array(CODES);

  constructor(
    /** All of the memory, from the header on. */
    private readonly bytes: Uint8Array,
    options: FlightPartOptions,
  ) {
    this.view = flightView(bytes);
    const index = FLIGHT_PARTS.indexOf(options.part);
    const own = options.layout.parts[index];
    assert(own !== undefined && own.records > 0, 'a part has records');
    this.options = options;
    this.first = own.offset;
    this.records = own.records;
    this.cursor = FlightHeader.CURSORS + index * FLIGHT_CURSOR_SPACING_BYTES;
    this.sequence = options.lastSequence;
    this.view.setFloat64(this.cursor, this.sequence, true);
  }

  write<K extends FlightKind>(kind: K, fields: FlightFields<K>): void {
    const { code } = FLIGHT_KINDS[kind];
    const nowMs = this.options.clock.monotonicMs();
    if (!this.admit(code, nowMs)) {
      this.omitted[code]!++;
      return;
    }
    const count = this.omitted[code]!;
    this.omitted[code] = 0;
    if (count > 0) this.put('omitted', { code, count }, nowMs);
    this.put(kind, fields, nowMs);
  }

  private admit(code: number, nowMs: number): boolean {
    const since = nowMs - this.allowedAtMs[code]!;
    this.allowedAtMs[code] = nowMs;
    const allowed = Math.min(BURST, this.allowed[code]! + (since * PER_SECOND[this.options.part]) / 1000);
    this.allowed[code] = allowed >= 1 ? allowed - 1 : allowed;
    return allowed >= 1;
  }

  private put<K extends FlightKind>(kind: K, fields: FlightFields<K>, nowMs: number): void {
    const { code, numbers, lists, texts } = FLIGHT_KINDS[kind];
    const values: Readonly<Record<string, Value>> = fields;
    let length = 0;
    for (const name of lists) length = this.putList(values[name] as readonly number[], length);
    for (const name of texts) length = this.putText(values[name] as string, length);
    const wallMs = this.options.clock.wallMs();
    const pieces = Math.max(1, Math.ceil(length / FLIGHT_DATA_BYTES));
    for (let piece = 0; piece < pieces; piece++) {
      const at = this.begin(code, nowMs, wallMs, piece, pieces);
      for (let i = 0; i < FLIGHT_NUMBERS_MAX; i++) {
        const value = numbers[i] === undefined ? 0 : (values[numbers[i]!] as number);
        this.view.setFloat64(at + FlightField.NUMBERS + 8 * i, value, true);
      }
      this.finish(at, this.data.subarray(piece * FLIGHT_DATA_BYTES, Math.min(length, (piece + 1) * FLIGHT_DATA_BYTES)));
    }
  }

  private begin(code: number, nowMs: number, wallMs: number, piece: number, pieces: number): number {
    const { view, ring } = this;
    const at = this.first + (this.sequence % this.records) * FLIGHT_RECORD_BYTES;
    view.setFloat64(at + FlightField.SEQUENCE, 0, true);
    view.setFloat64(at + FlightField.MONOTONIC_MS, nowMs, true);
    view.setFloat64(at + FlightField.WALL_MS, wallMs, true);
    view.setFloat64(at + FlightField.RING_SEQ, ring.seq, true);
    view.setUint32(at + FlightField.RING_REP, ring.rep, true);
    view.setUint32(at + FlightField.LIFE, this.options.life, true);
    view.setUint16(at + FlightField.KIND, code, true);
    view.setUint8(at + FlightField.PIECE, piece);
    view.setUint8(at + FlightField.PIECES, pieces);
    return at;
  }

  /** The sequence number comes last: without it there is no record. */
  private finish(at: number, data: Uint8Array): void {
    const { view } = this;
    view.setUint32(at + FlightField.DATA_BYTES, data.length, true);
    this.bytes.set(data, at + FlightField.DATA);
    this.bytes.fill(0, at + FlightField.DATA + data.length, at + FLIGHT_RECORD_BYTES);
    const sequence = this.sequence + 1;
    this.sequence = sequence;
    view.setUint32(at + FlightField.CHECKSUM, flightChecksum(view, at, sequence), true);
    view.setFloat64(at + FlightField.SEQUENCE, sequence, true);
    view.setFloat64(this.cursor, sequence, true);
  }

  private putList(list: readonly number[], at: number): number {
    const count = Math.max(0, Math.min(list.length, Math.floor((this.data.length - TEXT_BYTES_MAX - at) / 4) - 1));
    this.dataView.setUint32(at, count, true);
    for (let i = 0; i < count; i++) this.dataView.setUint32(at + 4 + 4 * i, list[i]!, true);
    return at + 4 + 4 * count;
  }

  private putText(text: string, at: number): number {
    const { written } = this.encoder.encodeInto(text, this.data.subarray(at + 4, at + 4 + TEXT_BYTES_MAX));
    this.dataView.setUint32(at, written, true);
    const end = at + 4 + Math.ceil(written / 4) * 4;
    this.data.fill(0, at + 4 + written, end);
    return end;
  }
}
