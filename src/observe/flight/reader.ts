import type { RingId } from '../../lib/ring-id.ts';
import { type FlightFileHeader, flightView, readFlightHeader } from './header.ts';
import { FLIGHT_KINDS, type FlightKind, type FlightRecord, flightKindOf } from './kinds.ts';
import {
  FLIGHT_DATA_BYTES,
  FLIGHT_PARTS,
  FLIGHT_RECORD_BYTES,
  FlightField,
  type FlightPart,
  flightChecksum,
} from './layout.ts';

export interface FlightFile extends FlightFileHeader {
  /** In the order of time, earlier lives first. */
  readonly records: readonly FlightRecord[];
  /** Places that hold a record that is not whole. */
  readonly torn: number;
  /** Sequence number of the last record of each part, and the highest life. */
  readonly last: Readonly<Record<FlightPart, number>>;
  readonly life: number;
}

/** Everything that is whole in a file, or in the memory of a running daemon. A file that was cut short has less. */
export function readFlight(bytes: Uint8Array): FlightFile | null {
  const header = readFlightHeader(bytes);
  if (header === null) return null;
  const view = flightView(bytes);
  const records: FlightRecord[] = [];
  const last = { ring: 0, main: 0, clients: 0 };
  let torn = 0;
  let life = 0;
  for (const { part, offset, records: count } of header.layout.parts) {
    const pieces: RawRecord[] = [];
    for (let index = 0; index < count; index++) {
      const raw = readRaw(bytes, view, part, offset, index, count);
      if (raw === 'torn') torn++;
      else if (raw !== null) pieces.push(raw);
    }
    for (const piece of pieces) {
      last[part] = Math.max(last[part], piece.sequence);
      life = Math.max(life, piece.life);
    }
    records.push(...joinPieces(pieces));
  }
  return { ...header, records: sorted(records), torn, last, life };
}

/** Records of the same daemon from several places (its file, its live memory), each once. */
export function mergeFlights(files: readonly { readonly records: readonly FlightRecord[] }[]): readonly FlightRecord[] {
  const found = new Map<string, FlightRecord>();
  for (const { records } of files) for (const record of records) found.set(`${record.part} ${record.sequence}`, record);
  return sorted([...found.values()]);
}

const sorted = (records: FlightRecord[]): FlightRecord[] =>
  records.sort(
    (a, b) =>
      a.life - b.life ||
      a.monotonicMs - b.monotonicMs ||
      FLIGHT_PARTS.indexOf(a.part) - FLIGHT_PARTS.indexOf(b.part) ||
      a.sequence - b.sequence,
  );

interface RawRecord {
  readonly part: FlightPart;
  readonly sequence: number;
  readonly life: number;
  readonly monotonicMs: number;
  readonly wallMs: number;
  readonly ring: RingId;
  readonly code: number;
  readonly piece: number;
  readonly pieces: number;
  readonly numbers: readonly number[];
  readonly data: Uint8Array;
}

function readRaw(
  bytes: Uint8Array,
  view: DataView,
  part: FlightPart,
  first: number,
  index: number,
  count: number,
): RawRecord | 'torn' | null {
  const at = first + index * FLIGHT_RECORD_BYTES;
  if (at + FLIGHT_RECORD_BYTES > bytes.length) return null;
  const sequence = view.getFloat64(at + FlightField.SEQUENCE, true);
  const checksum = view.getUint32(at + FlightField.CHECKSUM, true);
  if (sequence === 0 && checksum === 0) return null; // never written
  if (!Number.isSafeInteger(sequence) || sequence < 1 || (sequence - 1) % count !== index) return 'torn';
  if (flightChecksum(view, at, sequence) !== checksum) return 'torn';
  const dataBytes = Math.min(view.getUint32(at + FlightField.DATA_BYTES, true), FLIGHT_DATA_BYTES);
  return {
    part,
    sequence,
    life: view.getUint32(at + FlightField.LIFE, true),
    monotonicMs: view.getFloat64(at + FlightField.MONOTONIC_MS, true),
    wallMs: view.getFloat64(at + FlightField.WALL_MS, true),
    ring: {
      rep: view.getUint32(at + FlightField.RING_REP, true),
      seq: view.getFloat64(at + FlightField.RING_SEQ, true),
    },
    code: view.getUint16(at + FlightField.KIND, true),
    piece: view.getUint8(at + FlightField.PIECE),
    pieces: view.getUint8(at + FlightField.PIECES),
    numbers: Array.from({ length: 8 }, (_, i) => view.getFloat64(at + FlightField.NUMBERS + 8 * i, true)),
    data: bytes.slice(at + FlightField.DATA, at + FlightField.DATA + dataBytes),
  };
}

/** Long records are whole only with all their pieces, which follow each other. */
function joinPieces(raw: readonly RawRecord[]): readonly FlightRecord[] {
  const bySequence = new Map(raw.map((record) => [record.sequence, record]));
  return raw.flatMap((head) => {
    if (head.piece !== 0) return [];
    const pieces = Array.from({ length: Math.max(1, head.pieces) }, (_, i) => bySequence.get(head.sequence + i));
    const whole = pieces.every((piece, i) => piece?.piece === i && piece.code === head.code);
    const kind = flightKindOf(head.code);
    if (!whole || kind === undefined) return []; // a later version may know more kinds
    return [record(kind, head, Buffer.concat(pieces.flatMap((piece) => piece?.data ?? [])))];
  });
}

function record(kind: FlightKind, head: RawRecord, data: Uint8Array): FlightRecord {
  const { numbers, lists, texts } = FLIGHT_KINDS[kind];
  const { life, part, sequence, monotonicMs, wallMs, ring } = head;
  const fields: Record<string, unknown> = { life, part, sequence, monotonicMs, wallMs, ring, kind };
  const source = new DataReader(data);
  for (const [i, name] of numbers.entries()) fields[name] = head.numbers[i] ?? 0;
  for (const name of lists) fields[name] = source.list();
  for (const name of texts) fields[name] = source.text();
  return fields as unknown as FlightRecord; // as the table of kinds says
}

class DataReader {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly data: Uint8Array) {
    this.view = flightView(data);
  }

  list(): readonly number[] {
    const count = Math.min(this.length(), Math.floor((this.data.length - this.at) / 4));
    const list = Array.from({ length: count }, (_, i) => this.view.getUint32(this.at + 4 * i, true));
    this.at += 4 * count;
    return list;
  }

  text(): string {
    const bytes = this.length();
    const text = new TextDecoder().decode(this.data.subarray(this.at, this.at + bytes));
    this.at += Math.ceil(bytes / 4) * 4;
    return text;
  }

  private length(): number {
    if (this.at + 4 > this.data.length) return 0;
    const length = this.view.getUint32(this.at, true);
    this.at += 4;
    return length;
  }
}
