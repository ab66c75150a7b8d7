import {
  FLIGHT_HEADER_BYTES,
  FLIGHT_ID_BYTES,
  FLIGHT_MAGIC,
  FLIGHT_PARTS,
  FLIGHT_RECORD_BYTES,
  FlightHeader,
  type FlightLayout,
  flightLayout,
  LIVE_PATH_BYTES_MAX,
} from './layout.ts';

/** What the header says. */
export interface FlightFileHeader {
  readonly nodeId: number;
  /** Hexadecimal; the file and its live memory have the same. */
  readonly id: string;
  /** Where the running daemon, or one that was killed, has its latest records; empty: nowhere else. */
  readonly livePath: string;
  readonly layout: FlightLayout;
}

export const flightView = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const RECORDS_MAX = 1 << 24;

/** The header, or `null`: this is no flight recorder's file. Nothing in it is trusted. */
export function readFlightHeader(bytes: Uint8Array): FlightFileHeader | null {
  if (bytes.length < FLIGHT_HEADER_BYTES) return null;
  const view = flightView(bytes);
  const text = new TextDecoder();
  if (text.decode(bytes.subarray(FlightHeader.MAGIC, FLIGHT_MAGIC.length)) !== FLIGHT_MAGIC) return null;
  if (view.getUint32(FlightHeader.RECORD_BYTES, true) !== FLIGHT_RECORD_BYTES) return null;
  const counts = FLIGHT_PARTS.map((_, index) => view.getUint32(FlightHeader.RECORDS + 4 * index, true));
  if (counts.some((count) => count === 0 || count > RECORDS_MAX)) return null;
  const pathBytes = Math.min(view.getUint16(FlightHeader.LIVE_PATH, true), LIVE_PATH_BYTES_MAX);
  const pathAt = FlightHeader.LIVE_PATH + 2;
  return {
    nodeId: view.getUint32(FlightHeader.NODE_ID, true),
    id: Buffer.from(bytes.subarray(FlightHeader.ID, FlightHeader.ID + FLIGHT_ID_BYTES)).toString('hex'),
    livePath: text.decode(bytes.subarray(pathAt, pathAt + pathBytes)),
    layout: flightLayout(counts),
  };
}

/** Makes the header page of a recorder's file, or of its live memory. */
export function writeFlightHeader({ nodeId, id, livePath, layout }: FlightFileHeader): Uint8Array {
  const bytes = new Uint8Array(FLIGHT_HEADER_BYTES);
  const view = flightView(bytes);
  const text = new TextEncoder();
  bytes.set(text.encode(FLIGHT_MAGIC), FlightHeader.MAGIC);
  view.setUint32(FlightHeader.RECORD_BYTES, FLIGHT_RECORD_BYTES, true);
  for (const [index, { records }] of layout.parts.entries())
    view.setUint32(FlightHeader.RECORDS + 4 * index, records, true);
  view.setUint32(FlightHeader.NODE_ID, nodeId, true);
  bytes.set(Buffer.from(id, 'hex').subarray(0, FLIGHT_ID_BYTES), FlightHeader.ID);
  const path = text.encode(livePath).subarray(0, LIVE_PATH_BYTES_MAX);
  view.setUint16(FlightHeader.LIVE_PATH, path.length, true);
  bytes.set(path, FlightHeader.LIVE_PATH + 2);
  return bytes;
}
