/**
 * Records one after the other: length (u32), CRC-32 of the payload (u32), payload. A writer that dies leaves a torn record at the end,
 * which a reader takes for the end. A damaged record with a whole one behind it is something else: the disk changed what was stored.
 */
const HEAD_BYTES = 8;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

export function encodeRecord(payload: Uint8Array): Uint8Array {
  const record = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  record.writeUInt32LE(payload.length, 0);
  record.writeUInt32LE(crc32(payload), 4);
  record.set(payload, HEAD_BYTES);
  return record;
}

export interface ScannedRecords {
  readonly payloads: readonly Uint8Array[];
  /** Where the last whole record ends: what is behind it was torn. */
  readonly end: number;
  readonly damaged: boolean;
}

export function scanRecords(bytes: Buffer): ScannedRecords {
  const payloads: Uint8Array[] = [];
  let at = 0;
  for (let next = recordAt(bytes, at); next !== null; next = recordAt(bytes, at)) {
    payloads.push(next);
    at += HEAD_BYTES + next.length;
  }
  if (at + HEAD_BYTES > bytes.length) return { payloads, end: at, damaged: false };
  const behind = at + HEAD_BYTES + bytes.readUInt32LE(at);
  return { payloads, end: at, damaged: recordAt(bytes, behind) !== null };
}

/** `null`: there is no whole record. */
function recordAt(bytes: Buffer, at: number): Uint8Array | null {
  if (at + HEAD_BYTES > bytes.length) return null;
  const length = bytes.readUInt32LE(at);
  if (length === 0 || at + HEAD_BYTES + length > bytes.length) return null;
  const payload = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
  return crc32(payload) === bytes.readUInt32LE(at + 4) ? payload : null;
}
