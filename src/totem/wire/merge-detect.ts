import { TotemDrop, type TotemDropReason } from '../drop-reason.ts';
import { Encapsulated, FrameType, readU64, writeFrameHeader, writeU64 } from './header.ts';

/**
 * MEMB_MERGE_DETECT (totem.md 1.7), packed:
 *   0        13            17        29
 *   | header | system_from | ring_id |
 */
export const MERGE_DETECT_BYTES = 29;
const AT = { systemFrom: 13, ringRep: 17, ringSeq: 21 } as const;

export class MergeDetect {
  systemFrom = 0;
  ringRep = 0;
  ringSeq = 0;
}

export function decodeMergeDetect(
  view: DataView,
  at: number,
  length: number,
  littleEndian: boolean,
  into: MergeDetect,
): TotemDropReason {
  if (length < MERGE_DETECT_BYTES) return TotemDrop.SHORT;
  into.systemFrom = view.getUint32(at + AT.systemFrom, littleEndian);
  if (into.systemFrom === 0) return TotemDrop.BAD_NODE;
  into.ringRep = view.getUint32(at + AT.ringRep, littleEndian);
  into.ringSeq = readU64(view, at + AT.ringSeq, littleEndian);
  return TotemDrop.NONE;
}

export function encodeMergeDetect(view: DataView, at: number, from: MergeDetect): number {
  writeFrameHeader(view, at, FrameType.MERGE_DETECT, Encapsulated.NONE, from.systemFrom);
  view.setUint32(at + AT.systemFrom, from.systemFrom, true);
  view.setUint32(at + AT.ringRep, from.ringRep, true);
  writeU64(view, at + AT.ringSeq, from.ringSeq);
  return MERGE_DETECT_BYTES;
}
