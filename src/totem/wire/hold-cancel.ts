import { TotemDrop, type TotemDropReason } from '../drop-reason.ts';
import { Encapsulated, FrameType, readU64, writeFrameHeader, writeU64 } from './header.ts';

/**
 * TOKEN_HOLD_CANCEL (totem.md 1.10), packed:
 *   0        13        25
 *   | header | ring_id |
 */
export const HOLD_CANCEL_BYTES = 25;
const AT = { ringRep: 13, ringSeq: 17 } as const;

export class HoldCancel {
  ringRep = 0;
  ringSeq = 0;
}

export function decodeHoldCancel(
  view: DataView,
  at: number,
  length: number,
  littleEndian: boolean,
  into: HoldCancel,
): TotemDropReason {
  if (length < HOLD_CANCEL_BYTES) return TotemDrop.SHORT;
  into.ringRep = view.getUint32(at + AT.ringRep, littleEndian);
  into.ringSeq = readU64(view, at + AT.ringSeq, littleEndian);
  return TotemDrop.NONE;
}

export function encodeHoldCancel(view: DataView, at: number, nodeId: number, from: HoldCancel): number {
  writeFrameHeader(view, at, FrameType.HOLD_CANCEL, Encapsulated.NONE, nodeId);
  view.setUint32(at + AT.ringRep, from.ringRep, true);
  writeU64(view, at + AT.ringSeq, from.ringSeq);
  return HOLD_CANCEL_BYTES;
}
