import { ringIdEquals } from '../lib/ring-id.ts';
import { seqAdd, seqLt, seqNext } from '../lib/seq.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { innerSeqOf } from './recovery-index.ts';
import type { RingState } from './state.ts';
import type { CommitToken } from './wire/commit-token.ts';
import { MCAST_HEADER_BYTES } from './wire/mcast.ts';

/**
 * Steps 6 and 7: what some survivor lacks is sent again by every survivor that has it. Only the numbers are kept here;
 * a message is encapsulated when its turn comes.
 */
export function queueOldMessages(s: RingState, token: CommitToken): void {
  s.membership.deliverMemb = s.membership.transMemb;
  let low = s.old.high;
  for (const node of s.membership.deliverMemb) {
    const entry = token.entries[token.addr.indexOf(node)]!;
    if (ringIdEquals(entry.ringId, s.old.ring) && seqLt(entry.aru, low)) low = entry.aru;
  }
  // Everything below the head was had by all; an entry that says otherwise lies. Stock aborts on such a range.
  let seq = seqNext(low);
  if (!s.regular.inRange(seq)) seq = s.regular.head;
  for (let i = 0; i < TOTEM_LIMITS.sortQueueSlots && !seqLt(s.old.high, seq); i++, seq = seqNext(seq))
    if (s.regular.holds(seq)) s.recovery.retransSeqs[s.recovery.retransCount++] = seq;
  s.observer.report({ kind: 'recoverMessages', from: seqNext(low), to: s.old.high, count: s.recovery.retransCount });
}

/** Step 2: recovered messages of the old ring go to their places in `regular`. */
export function unpackRecovered(s: RingState): void {
  for (let seq = 1; !seqLt(s.aru, seq); seq = seqNext(seq)) {
    if (!s.recovery.queue.holds(seq) || s.recovery.queue.isStub(seq)) continue;
    const at = s.recovery.queue.offsetOf(seq);
    const length = s.recovery.queue.lengthOf(seq);
    const innerSeq = innerSeqOf(s, at, length);
    if (innerSeq < 0 || s.regular.has(innerSeq)) continue;
    s.regular.add(innerSeq, at + MCAST_HEADER_BYTES, length - MCAST_HEADER_BYTES, true);
    if (seqLt(s.old.high, innerSeq)) s.old.high = innerSeq;
  }
}

/** Steps 10 and 11: the recovery queue becomes the regular one; encapsulated messages are never delivered again. */
export function startNewQueue(s: RingState): void {
  s.regular.clear();
  const emptied = s.regular;
  s.regular = s.recovery.queue;
  s.recovery.queue = emptied;
  let highest = s.high;
  for (let i = 0; highest !== 0 && i < TOTEM_LIMITS.sortQueueSlots && !s.regular.holds(highest); i++)
    highest = seqAdd(highest, 0xffffffff);
  s.highDelivered = s.regular.holds(highest) ? highest : 0;
  s.released = s.highDelivered;
  s.regular.moveThrough(s.highDelivered, s.limbo);
}
