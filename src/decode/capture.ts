import { counted } from '../lib/counted.ts';
import { RondoError } from '../lib/errors.ts';
import {
  type ByteSource,
  CAPTURED_BYTES_MAX,
  type CapturedPacket,
  type CaptureRest,
  type PacketSource,
  printableFormat,
} from './captured-packet.ts';
import { readPcapNg } from './pcapng.ts';

const PCAPNG_MAGIC = 0x0a0d0d0a;
/** Microseconds and nanoseconds; each in either byte order. */
const PCAP_MAGIC_US = 0xa1b2c3d4;
const PCAP_MAGIC_NS = 0xa1b23c4d;
const PCAP_HEADER_BYTES = 24;
const PCAP_RECORD_BYTES = 16;
/** The packets of a capture file, pcap or pcapng, as they come; the file is never in memory as a whole. */
export function* readCapture(source: ByteSource, rest: CaptureRest): PacketSource {
  const head = Uint8Array.from(source.take(PCAP_HEADER_BYTES));
  if (head.length < PCAP_HEADER_BYTES) throw notACapture(source.name, 'it has fewer bytes than a header');
  const view = new DataView(head.buffer);
  if (view.getUint32(0, true) === PCAPNG_MAGIC) {
    yield* readPcapNg(source, head, rest);
    return;
  }
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(0, littleEndian);
    if (magic !== PCAP_MAGIC_US && magic !== PCAP_MAGIC_NS) continue;
    const link = view.getUint32(20, littleEndian) & 0xffff;
    yield* readRecords(source, littleEndian, magic === PCAP_MAGIC_NS ? 1e-6 : 1e-3, link, rest);
    return;
  }
  throw notACapture(source.name, `it begins with ${printableFormat(head)}`);
}

function* readRecords(
  source: ByteSource,
  littleEndian: boolean,
  fractionMs: number,
  link: number,
  rest: CaptureRest,
): PacketSource {
  for (let index = 1; ; index++) {
    const head = source.take(PCAP_RECORD_BYTES);
    if (head.length === 0) return;
    if (head.length < PCAP_RECORD_BYTES) return endsIn(rest, index);
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    const timeMs = view.getUint32(0, littleEndian) * 1000 + view.getUint32(4, littleEndian) * fractionMs;
    const length = view.getUint32(8, littleEndian);
    const wireBytes = view.getUint32(12, littleEndian);
    if (length > CAPTURED_BYTES_MAX) return damaged(rest, index, length);
    const bytes = source.take(length);
    if (bytes.length < length) return endsIn(rest, index);
    const packet: CapturedPacket = { index, timeMs, link, bytes, wireBytes };
    yield packet;
  }
}

function endsIn(rest: CaptureRest, index: number): void {
  rest.problem = `the file ends in the middle of packet ${index}: the capture was stopped hard, or is still being written`;
}

function damaged(rest: CaptureRest, index: number, length: number): void {
  rest.problem = `packet ${index} claims ${counted(length, 'byte')}: the file is damaged from there on`;
}

const notACapture = (name: string, why: string): RondoError =>
  new RondoError(
    'RONDO_CAPTURE',
    `${name} is no pcap or pcapng file: ${why}`,
    'Capture with: tcpdump -i any -s 0 -w FILE udp',
  );
