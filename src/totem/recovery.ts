import { type ConfigurationChange, ringIdEquals } from '../lib/ring-id.ts';
import { seqAdd, seqLt, seqNext } from '../lib/seq.ts';
import { sendCommitToken } from './commit.ts';
import { deliverUpTo } from './delivery.ts';
import { LIMITS } from './limits.ts';
import { ascending, subtract } from './node-set.ts';
import { innerSeqOf } from './recovery-index.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { armTokenTimers, notePresence } from './timeouts.ts';
import type { CommitToken } from './wire/commit-token.ts';
import { MCAST_HEADER_BYTES } from './wire/mcast.ts';

/** ENTER RECOVERY (totem.md 4.3); `token` is the complete commit token. */
export function enterRecovery(s: RingState, token: CommitToken): void {
  s.discardOrf = false;
  s.recovery.clear();
  s.recoveryIndex.reset();
  s.retransCount = 0;
  s.retransFirst = 0;
  sendCommitToken(s, token);
  s.myTokenSeq = 0xffffffff;
  s.network.membershipChanged(s.newMemb);
  s.transMemb = s.memb.filter((node) => {
    const entry = token.entries[token.addr.indexOf(node)];
    return entry !== undefined && ringIdEquals(entry.ringId, s.oldRing);
  });
  const complete = s.transMemb.every((node) => token.entries[token.addr.indexOf(node)]!.receivedFlg !== 0);
  if (!complete) queueOldMessages(s, token);
  s.aru = 0;
  s.high = 0;
  s.installSeq = 0;
  s.released = 0;
  s.aruCount = 0;
  s.unchanged = 0;
  s.retransFlgCount = 0;
  s.rotationCount = 0;
  s.setRetransFlg = false;
  armTokenTimers(s);
  s.enter('recovery');
  s.statistics.add(Stat.recovery_entered);
  s.statistics.set(Stat.continuous_gather, 0);
  s.observer.report({ kind: 'recovery', ringId: s.ring, transitional: s.transMemb });
}

/**
 * Steps 6 and 7: what some survivor lacks is sent again by every survivor that has it. Only the numbers are kept here;
 * a message is encapsulated when its turn comes.
 */
function queueOldMessages(s: RingState, token: CommitToken): void {
  s.deliverMemb = s.transMemb;
  let low = s.oldHigh;
  for (const node of s.deliverMemb) {
    const entry = token.entries[token.addr.indexOf(node)]!;
    if (ringIdEquals(entry.ringId, s.oldRing) && seqLt(entry.aru, low)) low = entry.aru;
  }
  // Everything below the head was had by all; an entry that says otherwise lies. Stock aborts on such a range.
  let seq = seqNext(low);
  if (!s.regular.inRange(seq)) seq = s.regular.head;
  for (let i = 0; i < LIMITS.sortQueueSlots && !seqLt(s.oldHigh, seq); i++, seq = seqNext(seq))
    if (s.regular.holds(seq)) s.retransSeqs[s.retransCount++] = seq;
  s.observer.report({ kind: 'recoverMessages', from: seqNext(low), to: s.oldHigh, count: s.retransCount });
}

/** Whether the queue of old messages is empty. */
export const retransEmpty = (s: RingState): boolean => s.retransFirst === s.retransCount;

/** ENTER OPERATIONAL (totem.md 4.3), inside a token visit, before that token is forwarded. */
export function enterOperational(s: RingState): void {
  s.originated = false;
  s.consensus = [];
  s.saved = false;
  unpackRecovered(s);
  deliverUpTo(s, s.oldHigh, false);
  const left = subtract(s.memb, s.transMemb);
  const joined = subtract(s.newMemb, s.transMemb);
  if (s.memb.length > 0) s.pastRings.add(s.oldRing.rep, s.oldRing.seq);
  s.memb = s.newMemb;
  s.released = 0;
  s.setRetransFlg = false;
  s.user.configurationChange(change(s, 'transitional', s.transMemb, left, []));
  s.user.beforeQueueSwitch();
  s.waitingTransAck = true;
  deliverUpTo(s, s.oldHigh, true);
  s.user.switchAssembly();
  s.user.configurationChange(change(s, 'regular', ascending(s.newMemb), [], joined));
  startNewQueue(s);
  s.lastAru = 0;
  s.proc = s.newMemb;
  s.failed = [];
  s.enter('operational');
  s.receivedFlg = 1;
  s.oldRing = s.ring;
  notePresence(s);
  s.statistics.add(Stat.operational_entered);
  s.statistics.set(Stat.continuous_gather, 0);
  const lost = subtract(left, s.politeLeavers);
  s.politeLeavers = [];
  s.observer.report({ kind: 'operational', ringId: s.ring, members: s.memb, joined, left, lost });
}

function change(
  s: RingState,
  kind: 'transitional' | 'regular',
  members: readonly number[],
  left: readonly number[],
  joined: readonly number[],
): ConfigurationChange {
  return { kind, members: [...members], left, joined, ringId: s.ring };
}

/** Step 2: recovered messages of the old ring go to their places in `regular`. */
function unpackRecovered(s: RingState): void {
  for (let seq = 1; !seqLt(s.aru, seq); seq = seqNext(seq)) {
    if (!s.recovery.holds(seq) || s.recovery.isStub(seq)) continue;
    const at = s.recovery.offsetOf(seq);
    const length = s.recovery.lengthOf(seq);
    const innerSeq = innerSeqOf(s, at, length);
    if (innerSeq < 0 || s.regular.has(innerSeq)) continue;
    s.regular.add(innerSeq, at + MCAST_HEADER_BYTES, length - MCAST_HEADER_BYTES, true);
    if (seqLt(s.oldHigh, innerSeq)) s.oldHigh = innerSeq;
  }
}

/** Steps 10 and 11: the recovery queue becomes the regular one; encapsulated messages are never delivered again. */
function startNewQueue(s: RingState): void {
  s.regular.clear();
  const emptied = s.regular;
  s.regular = s.recovery;
  s.recovery = emptied;
  let highest = s.high;
  for (let i = 0; highest !== 0 && i < LIMITS.sortQueueSlots && !s.regular.holds(highest); i++)
    highest = seqAdd(highest, 0xffffffff);
  s.highDelivered = s.regular.holds(highest) ? highest : 0;
  s.released = s.highDelivered;
  s.regular.moveThrough(s.highDelivered, s.limbo);
}
