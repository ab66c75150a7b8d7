import { seqLt, seqLte, seqMin, seqNext } from '../lib/seq.ts';
import { TotemDrop } from './drop-reason.ts';
import type { RingState } from './state.ts';
import { Encapsulated, HEADER, isLittleEndian } from './wire/header.ts';
import { MCAST, MCAST_HEADER_BYTES } from './wire/mcast.ts';

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
    if (skipHoles && !s.membership.deliverMemb.includes(view.getUint32(at + MCAST.systemFrom, littleEndian))) continue;
    if (view.getUint8(at + HEADER.encapsulated) === Encapsulated.RECOVERY) continue;
    const nodeId = view.getUint32(at + HEADER.nodeId, littleEndian);
    // Who is not in the ring cannot have sent this: without encryption anybody can forge it, and every name that is made up
    // would get an assembly buffer of its own.
    if (!s.membership.memb.includes(nodeId)) {
      s.statistics.drop(TotemDrop.BAD_NODE);
      continue;
    }
    if (nodeId === s.me) s.passage.delivered(seq, s);
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
