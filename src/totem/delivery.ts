import { seqLt, seqLte, seqMin, seqNext } from '../lib/seq.ts';
import { Drop, type DropReason } from './drop-reason.ts';
import { LIMITS } from './limits.ts';
import { foreignMessage } from './membership.ts';
import { innerSeqOf, storeAsStub, storeForgotten } from './recovery-index.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { Encapsulated, HEADER, isLittleEndian } from './wire/header.ts';
import { MCAST, MCAST_HEADER_BYTES } from './wire/mcast.ts';

/** Messages above `aru` that count as next in order. */
const NEXT_IN_ORDER = 32;

/** MCAST (totem.md 4.4, 4.14). The header was checked. */
export function receiveMcast(s: RingState, at: number, length: number, littleEndian: boolean): DropReason {
  s.statistics.add(Stat.mcast_rx);
  if (length < MCAST_HEADER_BYTES) return Drop.SHORT;
  if (length > LIMITS.frameBytesMax) return Drop.TOO_LONG; // stock aborts here
  const view = s.memory.view;
  const systemFrom = view.getUint32(at + MCAST.systemFrom, littleEndian);
  if (systemFrom === 0 || view.getUint32(at + HEADER.nodeId, littleEndian) === 0) return Drop.BAD_NODE;
  const low = view.getUint32(littleEndian ? at + MCAST.ringSeq : at + MCAST.ringSeq + 4, littleEndian);
  const high = view.getUint32(littleEndian ? at + MCAST.ringSeq + 4 : at + MCAST.ringSeq, littleEndian);
  const rep = view.getUint32(at + MCAST.ringRep, littleEndian);
  if (low !== s.ringLow || high !== s.ringHigh || rep !== s.ring.rep)
    return foreignMessage(s, systemFrom, rep, high * 0x1_0000_0000 + low);
  return storeMcast(s, at, length, littleEndian);
}

function storeMcast(s: RingState, at: number, length: number, littleEndian: boolean): DropReason {
  const view = s.memory.view;
  const encapsulated = view.getUint8(at + HEADER.encapsulated) === Encapsulated.RECOVERY;
  // Encapsulated messages matter in RECOVERY only, ordinary ones not between the first COMMIT and OPERATIONAL: `ring`
  // is then the new one, but `regular` still holds the old one's messages.
  if (encapsulated !== (s.state === 'recovery') || (s.saved && !encapsulated)) return Drop.WRONG_STATE;
  const queue = encapsulated ? s.recovery : s.regular;
  const seq = view.getUint32(at + MCAST.seq, littleEndian);
  if (!queue.inRange(seq)) return Drop.OUT_OF_WINDOW;
  if (queue.has(seq)) return Drop.DUPLICATE;
  const innerSeq = encapsulated ? innerSeqOf(s, at, length) : -1;
  if (!storeAsStub(s, seq, innerSeq, at, littleEndian)) {
    const slot = allocate(s, seq, length, encapsulated);
    if (slot >= 0) {
      s.memory.bytes.copyWithin(slot, at, at + length);
      queue.add(seq, slot, length);
      if (innerSeq >= 0) s.recoveryIndex.noteKept(seq, innerSeq);
    } else if (!encapsulated || !storeForgotten(s, seq, innerSeq)) return Drop.NO_MEMORY;
  }
  if (seqLt(s.high, seq)) s.high = seq;
  advanceAru(s);
  if (s.state === 'operational') deliverUpTo(s, s.high, false);
  return Drop.NONE;
}

/**
 * Memory for a received message, or -1. When it is short, what lies far ahead gets nothing, not even what others have
 * freed: that is for what is next in order, and the last of it for the very next message. That one can be delivered and
 * freed, so the ring goes on, however slowly.
 */
function allocate(s: RingState, seq: number, length: number, encapsulated: boolean): number {
  const { pool, tiers } = s;
  const ahead = (seq - s.aru) >>> 0;
  if (encapsulated || ahead === 1) return pool.alloc(length, tiers.recovered);
  if (ahead <= NEXT_IN_ORDER) return pool.alloc(length, tiers.nextInOrder);
  return pool.pagesFree < tiers.received ? -1 : pool.alloc(length, tiers.received);
}

/** Moves `aru` over the contiguous part of the active queue. */
export function advanceAru(s: RingState): void {
  const queue = s.active;
  let next = seqNext(s.aru);
  while (queue.holds(next)) {
    s.aru = next;
    next = seqNext(next);
  }
}

/**
 * Passes messages of `regular` up, in order, until `end` or the first hole. With `skipHoles` (ENTER OPERATIONAL step 7)
 * it goes on behind a hole, but only with messages whose originator moves along.
 */
export function deliverUpTo(s: RingState, end: number, skipHoles: boolean): void {
  const view = s.memory.view;
  while (seqLt(s.highDelivered, end)) {
    const seq = seqNext(s.highDelivered);
    const present = s.regular.holds(seq);
    if (!present && !skipHoles) return;
    s.highDelivered = seq;
    if (!present) continue;
    const at = s.regular.offsetOf(seq);
    const littleEndian = isLittleEndian(view, at);
    if (skipHoles && !s.deliverMemb.includes(view.getUint32(at + MCAST.systemFrom, littleEndian))) continue;
    if (view.getUint8(at + HEADER.encapsulated) === Encapsulated.RECOVERY) continue;
    const nodeId = view.getUint32(at + HEADER.nodeId, littleEndian);
    // Who is not in the ring cannot have sent this: without encryption anybody can forge it, and every name that is made up
    // would get an assembly buffer of its own.
    if (!s.memb.includes(nodeId)) {
      s.statistics.drop(Drop.BAD_NODE);
      continue;
    }
    const bodyBytes = s.regular.lengthOf(seq) - MCAST_HEADER_BYTES;
    s.user.deliverPacket(nodeId, at + MCAST.body, bodyBytes, littleEndian);
  }
}

/** Frees what every member has had for two token visits (totem.md 4.14). */
export function freeDelivered(s: RingState, tokenAru: number): void {
  const upTo = seqMin(seqMin(tokenAru, s.lastAru), s.highDelivered);
  if (!seqLte(s.released, upTo) || upTo === s.released) return;
  s.regular.releaseThrough(upTo);
  s.released = upTo;
}
