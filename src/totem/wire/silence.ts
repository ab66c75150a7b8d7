import { TotemDrop, type TotemDropReason } from '../drop-reason.ts';
import { TOTEM_LIMITS } from '../limits.ts';
import { Encapsulated, FrameType, HEADER, readU64, writeFrameHeader, writeU64 } from './header.ts';

/**
 * SILENCE (totem.md 12), packed, always little-endian; sent only to members of a ring that all know it:
 *   0        13        25      29
 *   | header | ring_id | count | count × (nodeid u32, silent_ms u32)
 */
const SILENCE_FIXED_BYTES = 29;
const AT = { ringRep: 13, ringSeq: 17, count: 25, entries: 29 } as const;
const ENTRY_BYTES = 8;
export const SILENCE_BYTES_MAX = SILENCE_FIXED_BYTES + ENTRY_BYTES * TOTEM_LIMITS.processorsMax;

/** Who does not reply to the sender, and for how many milliseconds. */
export interface Silence {
  readonly from: number;
  readonly ringRep: number;
  readonly ringSeq: number;
  readonly silentMs: ReadonlyMap<number, number>;
}

export function checkSilence(view: DataView, at: number, length: number, littleEndian: boolean): TotemDropReason {
  if (!littleEndian) return TotemDrop.UNKNOWN_TYPE;
  if (length < SILENCE_FIXED_BYTES) return TotemDrop.SHORT;
  const count = view.getUint32(at + AT.count, true);
  if (count > TOTEM_LIMITS.processorsMax) return TotemDrop.BAD_COUNT;
  return length < SILENCE_FIXED_BYTES + ENTRY_BYTES * count ? TotemDrop.SHORT : TotemDrop.NONE;
}

/** Only after `checkSilence` returned `TotemDrop.NONE`. */
export function readSilence(view: DataView, at: number): Silence {
  const silentMs = new Map<number, number>();
  const end = at + AT.entries + ENTRY_BYTES * view.getUint32(at + AT.count, true);
  for (let entry = at + AT.entries; entry < end; entry += ENTRY_BYTES)
    silentMs.set(view.getUint32(entry, true), view.getUint32(entry + 4, true));
  return {
    from: view.getUint32(at + HEADER.nodeId, true),
    ringRep: view.getUint32(at + AT.ringRep, true),
    ringSeq: readU64(view, at + AT.ringSeq, true),
    silentMs,
  };
}

/** Returns the length. */
export function encodeSilence(view: DataView, at: number, silence: Silence): number {
  writeFrameHeader(view, at, FrameType.SILENCE, Encapsulated.NONE, silence.from);
  view.setUint32(at + AT.ringRep, silence.ringRep, true);
  writeU64(view, at + AT.ringSeq, silence.ringSeq);
  view.setUint32(at + AT.count, silence.silentMs.size, true);
  let entry = at + AT.entries;
  for (const [node, ms] of silence.silentMs) {
    view.setUint32(entry, node, true);
    view.setUint32(entry + 4, Math.min(ms, 0xffff_ffff), true);
    entry += ENTRY_BYTES;
  }
  return entry - at;
}
