import type { RingId } from '../../lib/ring-id.ts';
import { TotemDrop, type TotemDropReason } from '../drop-reason.ts';
import { TOTEM_LIMITS } from '../limits.ts';
import { Encapsulated, FrameType, RING_ID_BYTES, readU64, writeFrameHeader, writeU64 } from './header.ts';

/**
 * Commit token (totem.md 1.9), packed:
 *   0        13          17        29            33           37             41
 *   | header | token_seq | ring_id | retrans_flg | memb_index | addr_entries | addr[] … memb_list[] …
 * memb_entry, 24 bytes: ring_id, u32 aru, u32 high_delivered, u32 received_flg; all zero until filled (totem.md trap 9).
 */
export const COMMIT_TOKEN_FIXED_BYTES = 41;
const ENTRY_BYTES = 24;
const AT = { tokenSeq: 13, ringRep: 17, ringSeq: 21, retransFlg: 29, membIndex: 33, addrCount: 37, addr: 41 } as const;
/**
 * Behind the last entry, in tokens of this implementation only (totem.md 12), 8 bytes, always little-endian:
 *   | mark u32 | members u16 | capabilities u16 |
 * A stock node drops it at its hop: it sends on what it has computed the length of.
 */
const TRAILER_BYTES = 8;
const TRAILER_MARK = 0x444e4f52;
const TRAILER = { mark: 0, members: 4, capabilities: 6 } as const;
const ENTRY = { ringRep: 0, ringSeq: 4, aru: RING_ID_BYTES, highDelivered: 16, receivedFlg: 20 } as const;

export interface CommitEntry {
  /** The member's last operational ring. */
  ringId: RingId;
  aru: number;
  highDelivered: number;
  /** 1 if the member has every message of that ring that it knows to exist. */
  receivedFlg: number;
}

/** Commit tokens are rare, so this is an ordinary object, made anew for each. */
export interface CommitToken {
  tokenSeq: number;
  ringId: RingId;
  retransFlg: number;
  /** Number of entries that are filled in. */
  membIndex: number;
  addr: readonly number[];
  entries: CommitEntry[];
  /** The trailer: how many nodes from the first one on have written it, and what all of these can do. 0, 0: there is none. */
  trailerMembers: number;
  capabilities: number;
}

export const commitTokenBytes = (members: number): number => COMMIT_TOKEN_FIXED_BYTES + members * (4 + ENTRY_BYTES);
export const COMMIT_TOKEN_BYTES_MAX = commitTokenBytes(TOTEM_LIMITS.processorsMax) + TRAILER_BYTES;

/** A short token is dropped for good here: upstream once reported it and went on (CVE-2026-35091). */
export function checkCommitToken(view: DataView, at: number, length: number, littleEndian: boolean): TotemDropReason {
  if (length < COMMIT_TOKEN_FIXED_BYTES) return TotemDrop.SHORT;
  const count = view.getUint32(at + AT.addrCount, littleEndian);
  if (count === 0 || count > TOTEM_LIMITS.processorsMax) return TotemDrop.BAD_COUNT;
  if (length < commitTokenBytes(count)) return TotemDrop.SHORT;
  if (view.getUint32(at + AT.membIndex, littleEndian) > count) return TotemDrop.BAD_COUNT;
  if (readU64(view, at + AT.ringSeq, littleEndian) > TOTEM_LIMITS.ringSeqMax) return TotemDrop.BAD_RING_SEQ;
  for (let i = 0; i < count; i++)
    if (view.getUint32(at + AT.addr + 4 * i, littleEndian) === 0) return TotemDrop.BAD_NODE;
  return TotemDrop.NONE;
}

/** Only after `checkCommitToken` returned `TotemDrop.NONE`. */
export function readCommitToken(view: DataView, at: number, length: number, littleEndian: boolean): CommitToken {
  const count = view.getUint32(at + AT.addrCount, littleEndian);
  const addr: number[] = [];
  const entries: CommitEntry[] = [];
  for (let i = 0; i < count; i++) {
    addr.push(view.getUint32(at + AT.addr + 4 * i, littleEndian));
    const entry = at + AT.addr + 4 * count + ENTRY_BYTES * i;
    entries.push({
      ringId: {
        rep: view.getUint32(entry + ENTRY.ringRep, littleEndian),
        seq: readU64(view, entry + ENTRY.ringSeq, littleEndian),
      },
      aru: view.getUint32(entry + ENTRY.aru, littleEndian),
      highDelivered: view.getUint32(entry + ENTRY.highDelivered, littleEndian),
      receivedFlg: view.getUint32(entry + ENTRY.receivedFlg, littleEndian),
    });
  }
  const trailer = at + commitTokenBytes(count);
  const marked =
    length >= commitTokenBytes(count) + TRAILER_BYTES && view.getUint32(trailer + TRAILER.mark, true) === TRAILER_MARK;
  return {
    tokenSeq: view.getUint32(at + AT.tokenSeq, littleEndian),
    ringId: {
      rep: view.getUint32(at + AT.ringRep, littleEndian),
      seq: readU64(view, at + AT.ringSeq, littleEndian),
    },
    retransFlg: view.getUint32(at + AT.retransFlg, littleEndian),
    membIndex: view.getUint32(at + AT.membIndex, littleEndian),
    addr,
    entries,
    trailerMembers: marked ? view.getUint16(trailer + TRAILER.members, true) : 0,
    capabilities: marked ? view.getUint16(trailer + TRAILER.capabilities, true) : 0,
  };
}

/** Returns the length. */
export function encodeCommitToken(view: DataView, at: number, nodeId: number, token: CommitToken): number {
  const count = token.addr.length;
  writeFrameHeader(view, at, FrameType.COMMIT_TOKEN, Encapsulated.NONE, nodeId);
  view.setUint32(at + AT.tokenSeq, token.tokenSeq, true);
  view.setUint32(at + AT.ringRep, token.ringId.rep, true);
  writeU64(view, at + AT.ringSeq, token.ringId.seq);
  view.setUint32(at + AT.retransFlg, token.retransFlg, true);
  view.setUint32(at + AT.membIndex, token.membIndex, true);
  view.setUint32(at + AT.addrCount, count, true);
  for (let i = 0; i < count; i++) {
    view.setUint32(at + AT.addr + 4 * i, token.addr[i]!, true);
    const entry = at + AT.addr + 4 * count + ENTRY_BYTES * i;
    const from = token.entries[i]!;
    view.setUint32(entry + ENTRY.ringRep, from.ringId.rep, true);
    writeU64(view, entry + ENTRY.ringSeq, from.ringId.seq);
    view.setUint32(entry + ENTRY.aru, from.aru, true);
    view.setUint32(entry + ENTRY.highDelivered, from.highDelivered, true);
    view.setUint32(entry + ENTRY.receivedFlg, from.receivedFlg, true);
  }
  if (token.trailerMembers === 0) return commitTokenBytes(count);
  const trailer = at + commitTokenBytes(count);
  view.setUint32(trailer + TRAILER.mark, TRAILER_MARK, true);
  view.setUint16(trailer + TRAILER.members, token.trailerMembers, true);
  view.setUint16(trailer + TRAILER.capabilities, token.capabilities, true);
  return commitTokenBytes(count) + TRAILER_BYTES;
}
