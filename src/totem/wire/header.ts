import { TotemDrop, type TotemDropReason } from '../drop-reason.ts';

/**
 * Header of every Totem message (totem.md 1.1), packed:
 *   0       2         3      4              5        9               13
 *   | magic | version | type | encapsulated | nodeid | target_nodeid |
 */
export const HEADER_BYTES = 13;
export const HEADER = { magic: 0, version: 2, type: 3, encapsulated: 4, nodeId: 5, targetNodeId: 9 } as const;
export const MAGIC = 0xc070;
const MAGIC_SWAPPED = 0x70c0;
export const VERSION = 3;

export const FrameType = {
  ORF_TOKEN: 0,
  MCAST: 1,
  MERGE_DETECT: 2,
  JOIN: 3,
  COMMIT_TOKEN: 4,
  HOLD_CANCEL: 5,
  /** Not stock's (totem.md 12). */
  SILENCE: 6,
} as const;
export type FrameTypeValue = (typeof FrameType)[keyof typeof FrameType];
const STOCK_TYPE_MAX = 5;
export const FRAME_TYPE_MAX = 6;

export const Encapsulated = { NONE: 0, RECOVERY: 1, ORDINARY: 2 } as const;

/** Checks magic, version and type; the byte order is asked for separately. */
export function checkHeader(view: DataView, at: number, length: number): TotemDropReason {
  if (length < HEADER_BYTES) return TotemDrop.SHORT;
  const magic = view.getUint16(at, true);
  if (magic !== MAGIC && magic !== MAGIC_SWAPPED) return TotemDrop.BAD_MAGIC;
  if (view.getUint8(at + HEADER.version) !== VERSION) return TotemDrop.BAD_VERSION;
  if (view.getUint8(at + HEADER.type) > FRAME_TYPE_MAX) return TotemDrop.UNKNOWN_TYPE;
  return TotemDrop.NONE;
}

/** Byte order of a message whose header was checked. We always send little-endian and accept both (totem.md 1.2). */
export const isLittleEndian = (view: DataView, at: number): boolean => view.getUint16(at, true) === MAGIC;

export function writeFrameHeader(
  view: DataView,
  at: number,
  type: FrameTypeValue,
  encapsulated: number,
  nodeId: number,
): void {
  view.setUint16(at, MAGIC, true);
  view.setUint8(at + HEADER.version, VERSION);
  view.setUint8(at + HEADER.type, type);
  view.setUint8(at + HEADER.encapsulated, encapsulated);
  view.setUint32(at + HEADER.nodeId, nodeId, true);
  view.setUint32(at + HEADER.targetNodeId, 0, true);
}

/**
 * u64 as a number. Above 2^53 it is not exact, but it stays above every ring sequence that is accepted
 * (`LIMITS.ringSeqMax`), so it never equals one by accident.
 */
export function readU64(view: DataView, at: number, littleEndian: boolean): number {
  const low = view.getUint32(littleEndian ? at : at + 4, littleEndian);
  const high = view.getUint32(littleEndian ? at + 4 : at, littleEndian);
  return high * 0x1_0000_0000 + low;
}

export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

/** ring_id: rep u32, seq u64 (totem.md 1.3). */
export const RING_ID_BYTES = 12;

/** A description of what sent a frame with another magic, as stock guesses it for its warning (totem.md 1.2). */
export function guessForeignSender(view: DataView, at: number): string {
  const word = view.getUint16(at, true);
  if (word === 0xffff) return 'Corosync 2.2';
  if (word === 0xfefe) return 'Corosync 2.3+';
  const first = view.getUint8(at);
  if (first === 1) return 'unencrypted Kronosnet';
  if (first <= STOCK_TYPE_MAX) return 'Corosync 1.x/2.0/2.1';
  return 'unknown';
}
