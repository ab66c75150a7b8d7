import { seqLt } from '../lib/seq.ts';
import { advanceAru, deliverUpTo } from './delivery.ts';
import { TotemDrop, type TotemDropReason } from './drop-reason.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { foreignMessage } from './membership.ts';
import { innerSeqOf, storeAsStub, storeForgotten } from './recovery-index.ts';
import type { SortQueue } from './sort-queue.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { armResend } from './token-timers.ts';
import { Encapsulated, HEADER } from './wire/header.ts';
import { MCAST, MCAST_HEADER_BYTES } from './wire/mcast.ts';

/** Messages above `aru` that count as next in order. */
const NEXT_IN_ORDER = 32;

/** MCAST (totem.md 4.4, 4.14). The header was checked. */
export function receiveMcast(s: RingState, at: number, length: number, littleEndian: boolean): TotemDropReason {
  s.statistics.add(Stat.mcast_rx);
  if (length < MCAST_HEADER_BYTES) return TotemDrop.SHORT;
  if (length > TOTEM_LIMITS.frameBytesMax) return TotemDrop.TOO_LONG; // stock aborts here
  const view = s.memory.view;
  const systemFrom = view.getUint32(at + MCAST.systemFrom, littleEndian);
  if (systemFrom === 0 || view.getUint32(at + HEADER.nodeId, littleEndian) === 0) return TotemDrop.BAD_NODE;
  const low = view.getUint32(littleEndian ? at + MCAST.ringSeq : at + MCAST.ringSeq + 4, littleEndian);
  const high = view.getUint32(littleEndian ? at + MCAST.ringSeq + 4 : at + MCAST.ringSeq, littleEndian);
  const rep = view.getUint32(at + MCAST.ringRep, littleEndian);
  if (low !== s.ringLow || high !== s.ringHigh || rep !== s.ring.rep)
    return foreignMessage(s, systemFrom, rep, high * 0x1_0000_0000 + low);
  return storeMcast(s, at, length, littleEndian);
}

function storeMcast(s: RingState, at: number, length: number, littleEndian: boolean): TotemDropReason {
  const view = s.memory.view;
  const encapsulated = view.getUint8(at + HEADER.encapsulated) === Encapsulated.RECOVERY;
  // Encapsulated messages matter in RECOVERY only, ordinary ones not between the first COMMIT and OPERATIONAL: `ring`
  // is then the new one, but `regular` still holds the old one's messages.
  if (encapsulated !== (s.state === 'recovery') || (s.old.saved && !encapsulated)) return TotemDrop.WRONG_STATE;
  const queue = encapsulated ? s.recovery.queue : s.regular;
  const seq = view.getUint32(at + MCAST.seq, littleEndian);
  if (!queue.inRange(seq)) return TotemDrop.OUT_OF_WINDOW;
  if (queue.has(seq)) {
    noteRepeat(s, queue, seq);
    return TotemDrop.DUPLICATE;
  }
  const innerSeq = encapsulated ? innerSeqOf(s, at, length) : -1;
  if (!storeAsStub(s, seq, innerSeq, at, littleEndian)) {
    const slot = allocate(s, seq, length, encapsulated);
    if (slot >= 0) {
      s.memory.bytes.copyWithin(slot, at, at + length);
      queue.add(seq, slot, length);
      if (innerSeq >= 0) s.recovery.index.noteKept(seq, innerSeq);
    } else if (!encapsulated || !storeForgotten(s, seq, innerSeq)) return TotemDrop.NO_MEMORY;
  }
  if (innerSeq >= 0) s.recovery.index.noteSent(innerSeq, seq);
  if (seqLt(s.high, seq)) s.high = seq;
  if (s.pace.isAhead(seq)) armResend(s);
  advanceAru(s);
  if (s.state === 'operational') deliverUpTo(s, s.high, false);
  return TotemDrop.NONE;
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

/** Somebody sent again what this node has: because another lacked it, or because this node asked too early. */
function noteRepeat(s: RingState, queue: SortQueue, seq: number): void {
  queue.countRepeat(seq);
  s.loss.noteDuplicate(seq);
}
