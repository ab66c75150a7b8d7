import { TotemDrop, type TotemDropReason } from '../drop-reason.ts';
import { TOTEM_LIMITS } from '../limits.ts';
import { Encapsulated, FrameType, RING_ID_BYTES, readU64, writeFrameHeader, writeU64 } from './header.ts';

/**
 * ORF token (totem.md 1.5), packed:
 *   0        13    17          21    25         29        41        45    49            53                 57
 *   | header | seq | token_seq | aru | aru_addr | ring_id | backlog | fcc | retrans_flg | rtr_list_entries | rtr_list …
 * rtr_list entry, 16 bytes: ring_id, u32 seq.
 */
export const ORF_TOKEN_FIXED_BYTES = 57;
const RTR_ITEM_BYTES = 16;
const AT = {
  seq: 13,
  tokenSeq: 17,
  aru: 21,
  aruAddr: 25,
  ringRep: 29,
  ringSeq: 33,
  backlog: 41,
  fcc: 45,
  retransFlg: 49,
  rtrCount: 53,
  rtrList: 57,
} as const;

/** A decoded token. One object lives as long as the core; decoding fills it. */
export class OrfToken {
  seq = 0;
  tokenSeq = 0;
  aru = 0;
  aruAddr = 0;
  ringRep = 0;
  ringSeq = 0;
  backlog = 0;
  fcc = 0;
  retransFlg = 0;
  rtrCount = 0;
  readonly rtrRep = new Uint32Array(TOTEM_LIMITS.rtrEntriesMax);
  readonly rtrRingSeq = new Float64Array(TOTEM_LIMITS.rtrEntriesMax);
  readonly rtrSeq = new Uint32Array(TOTEM_LIMITS.rtrEntriesMax);

  /** Removes entry `index`, keeping the order of the others. */
  removeRequest(index: number): void {
    this.rtrRep.copyWithin(index, index + 1, this.rtrCount);
    this.rtrRingSeq.copyWithin(index, index + 1, this.rtrCount);
    this.rtrSeq.copyWithin(index, index + 1, this.rtrCount);
    this.rtrCount--;
  }

  hasRequest(seq: number): boolean {
    for (let i = 0; i < this.rtrCount; i++) if (this.rtrSeq[i] === seq) return true;
    return false;
  }
}

export const orfTokenBytes = (rtrCount: number): number => ORF_TOKEN_FIXED_BYTES + RTR_ITEM_BYTES * rtrCount;

/** The header was checked before. rtr_list_entries is treated as unsigned and bounded first (CVE-2025-30472). */
export function decodeOrfToken(
  view: DataView,
  at: number,
  length: number,
  littleEndian: boolean,
  into: OrfToken,
): TotemDropReason {
  if (length < ORF_TOKEN_FIXED_BYTES) return TotemDrop.SHORT;
  if (length > TOTEM_LIMITS.orfTokenBytesMax) return TotemDrop.TOO_LONG;
  const rtrCount = view.getUint32(at + AT.rtrCount, littleEndian);
  if (rtrCount > TOTEM_LIMITS.rtrEntriesMax) return TotemDrop.BAD_COUNT;
  if (length < orfTokenBytes(rtrCount)) return TotemDrop.SHORT;
  into.seq = view.getUint32(at + AT.seq, littleEndian);
  into.tokenSeq = view.getUint32(at + AT.tokenSeq, littleEndian);
  into.aru = view.getUint32(at + AT.aru, littleEndian);
  into.aruAddr = view.getUint32(at + AT.aruAddr, littleEndian);
  into.ringRep = view.getUint32(at + AT.ringRep, littleEndian);
  into.ringSeq = readU64(view, at + AT.ringSeq, littleEndian);
  into.backlog = view.getUint32(at + AT.backlog, littleEndian);
  into.fcc = view.getUint32(at + AT.fcc, littleEndian);
  into.retransFlg = view.getInt32(at + AT.retransFlg, littleEndian);
  into.rtrCount = rtrCount;
  for (let i = 0, item = at + AT.rtrList; i < rtrCount; i++, item += RTR_ITEM_BYTES) {
    into.rtrRep[i] = view.getUint32(item, littleEndian);
    into.rtrRingSeq[i] = readU64(view, item + 4, littleEndian);
    into.rtrSeq[i] = view.getUint32(item + RING_ID_BYTES, littleEndian);
  }
  return TotemDrop.NONE;
}

/** Returns the length of the token. */
export function encodeOrfToken(view: DataView, at: number, nodeId: number, token: OrfToken): number {
  writeFrameHeader(view, at, FrameType.ORF_TOKEN, Encapsulated.NONE, nodeId);
  view.setUint32(at + AT.seq, token.seq, true);
  view.setUint32(at + AT.tokenSeq, token.tokenSeq, true);
  view.setUint32(at + AT.aru, token.aru, true);
  view.setUint32(at + AT.aruAddr, token.aruAddr, true);
  view.setUint32(at + AT.ringRep, token.ringRep, true);
  writeU64(view, at + AT.ringSeq, token.ringSeq);
  view.setUint32(at + AT.backlog, token.backlog, true);
  view.setUint32(at + AT.fcc, token.fcc, true);
  view.setInt32(at + AT.retransFlg, token.retransFlg, true);
  view.setUint32(at + AT.rtrCount, token.rtrCount, true);
  for (let i = 0, item = at + AT.rtrList; i < token.rtrCount; i++, item += RTR_ITEM_BYTES) {
    view.setUint32(item, token.rtrRep[i]!, true);
    writeU64(view, item + 4, token.rtrRingSeq[i]!);
    view.setUint32(item + RING_ID_BYTES, token.rtrSeq[i]!, true);
  }
  return orfTokenBytes(token.rtrCount);
}
