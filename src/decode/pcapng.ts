import { counted } from '../lib/counted.ts';
import { type ByteSource, CAPTURED_BYTES_MAX, type CaptureRest, type PacketSource } from './captured-packet.ts';

const Block = {
  SECTION: 0x0a0d0d0a,
  INTERFACE: 1,
  SIMPLE_PACKET: 3,
  ENHANCED_PACKET: 6,
} as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const BLOCK_FRAME_BYTES = 12;
const BLOCK_BYTES_MAX = CAPTURED_BYTES_MAX + 65_536;
const OPTION_END = 0;
const OPTION_TSRESOL = 9;
const INTERFACES_MAX = 4_096;
const TWO_32 = 0x1_0000_0000;

interface Interface {
  readonly link: number;
  readonly snapBytes: number;
  /** Length of a unit of its time stamps. */
  readonly unitMs: number;
}

/** Blocks of a pcapng file, of which `head` has been taken already; blocks of no use here are passed over. */
export function* readPcapNg(source: ByteSource, head: Uint8Array, rest: CaptureRest): PacketSource {
  let pending: Uint8Array = head;
  const take = (count: number): Uint8Array => {
    if (pending.length === 0) return source.take(count);
    const bytes = new Uint8Array(count);
    const had = Math.min(count, pending.length);
    bytes.set(pending.subarray(0, had));
    pending = pending.subarray(had);
    if (had === count) return bytes;
    const more = source.take(count - had);
    bytes.set(more, had);
    return bytes.subarray(0, had + more.length);
  };
  let littleEndian = true;
  let interfaces: Interface[] = [];
  let index = 0;
  for (;;) {
    const start = Uint8Array.from(take(BLOCK_FRAME_BYTES));
    if (start.length === 0) return;
    if (start.length < BLOCK_FRAME_BYTES) return cut(rest, index);
    const startView = new DataView(start.buffer);
    const isSection = startView.getUint32(0, true) === Block.SECTION;
    if (isSection) {
      littleEndian = startView.getUint32(8, true) === BYTE_ORDER_MAGIC;
      interfaces = [];
    }
    const type = startView.getUint32(0, littleEndian);
    const length = startView.getUint32(4, littleEndian);
    if (length < BLOCK_FRAME_BYTES || length % 4 !== 0 || length > BLOCK_BYTES_MAX) {
      rest.problem = `a block behind packet ${index} claims ${counted(length, 'byte')}: the file is damaged from there on`;
      return;
    }
    const body = take(length - BLOCK_FRAME_BYTES);
    if (body.length < length - BLOCK_FRAME_BYTES) return cut(rest, index);
    // The first word of the body came with the start; the last word repeats the length.
    const block = new Uint8Array(4 + body.length);
    block.set(start.subarray(8));
    block.set(body, 4);
    const view = new DataView(block.buffer, 0, Math.max(0, block.length - 4));
    if (type === Block.INTERFACE && view.byteLength >= 8 && interfaces.length < INTERFACES_MAX)
      interfaces.push(readInterface(view, littleEndian));
    else if (type === Block.ENHANCED_PACKET && view.byteLength >= 20) {
      index++;
      const from = interfaces[view.getUint32(0, littleEndian)];
      const captured = view.getUint32(12, littleEndian);
      if (from === undefined || captured > view.byteLength - 20) continue;
      const units = view.getUint32(4, littleEndian) * TWO_32 + view.getUint32(8, littleEndian);
      const wireBytes = view.getUint32(16, littleEndian);
      yield {
        index,
        timeMs: units * from.unitMs,
        link: from.link,
        bytes: block.subarray(20, 20 + captured),
        wireBytes,
      };
    } else if (type === Block.SIMPLE_PACKET && view.byteLength >= 4 && interfaces[0] !== undefined) {
      index++;
      const wireBytes = view.getUint32(0, littleEndian);
      const limit = interfaces[0].snapBytes || wireBytes;
      const captured = Math.min(wireBytes, limit, view.byteLength - 4);
      yield { index, timeMs: 0, link: interfaces[0].link, bytes: block.subarray(4, 4 + captured), wireBytes };
    }
  }
}

function readInterface(view: DataView, littleEndian: boolean): Interface {
  let unitMs = 1e-3;
  for (let at = 8; at + 4 <= view.byteLength; ) {
    const code = view.getUint16(at, littleEndian);
    const length = view.getUint16(at + 2, littleEndian);
    if (code === OPTION_END || at + 4 + length > view.byteLength) break;
    if (code === OPTION_TSRESOL && length === 1) {
      const resolution = view.getUint8(at + 4);
      unitMs = 1000 / ((resolution & 0x80) !== 0 ? 2 ** (resolution & 0x7f) : 10 ** resolution);
    }
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return { link: view.getUint16(0, littleEndian), snapBytes: view.getUint32(4, littleEndian), unitMs };
}

function cut(rest: CaptureRest, index: number): void {
  rest.problem = `the file ends in the middle of a block behind packet ${index}: the capture was stopped hard, or is still being written`;
}
