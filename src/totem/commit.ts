import { ringIdEquals } from '../lib/ring-id.ts';
import { ringSeqNewer } from '../lib/ring-seq.ts';
import { seqLt } from '../lib/seq.ts';
import { Drop, type DropReason } from './drop-reason.ts';
import { considerCommit, sendJoinNow } from './membership.ts';
import { ascending, sameSet, subtract } from './node-set.ts';
import { startRing } from './orf.ts';
import { enterRecovery } from './recovery.ts';
import { mayUse } from './reservation.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { armTokenTimers } from './timeouts.ts';
import { Timer } from './timer-table.ts';
import { type CommitToken, checkCommitToken, encodeCommitToken, readCommitToken } from './wire/commit-token.ts';
import { isLittleEndian } from './wire/header.ts';

/** The representative's commit token (totem.md 4.6), for a ring seq from `takeNextRingSeq`. */
export function createCommit(s: RingState, seq: number): void {
  const addr = ascending(subtract(s.proc, s.failed));
  const entries = addr.map(() => ({ ringId: { rep: 0, seq: 0 }, aru: 0, highDelivered: 0, receivedFlg: 0 }));
  enterCommit(s, { tokenSeq: 0, ringId: { rep: s.me, seq }, retransFlg: 0, membIndex: 0, addr, entries });
}

/** ENTER COMMIT (totem.md 4.3). */
function enterCommit(s: RingState, token: CommitToken): void {
  if (s.timers.running(Timer.SEND_JOIN)) sendJoinNow(s); // the others wait for this vote
  if (!s.saved) {
    s.saved = true;
    s.oldRing = s.ring;
    s.oldAru = s.aru;
    s.oldHigh = s.high;
  }
  fillEntry(s, token);
  s.tokenTarget = token.addr[token.membIndex % token.addr.length]!;
  if (s.network.knowsTarget(s.tokenTarget)) sendCommitToken(s, token);
  s.timers.stop(Timer.JOIN);
  s.timers.stop(Timer.CONSENSUS);
  s.setRing(token.ringId);
  s.ringSeqMax = s.ring.seq;
  s.commitWaits = 0;
  s.leapFrom = -1;
  s.enter('commit');
  armTokenTimers(s);
  s.trc = 0;
  s.pbl = 0;
  s.cbl = 0;
  s.statistics.add(Stat.commit_entered);
  s.statistics.set(Stat.continuous_gather, 0);
  s.observer.report({ kind: 'commit', ringId: s.ring });
}

/** Writes this node's entry and advances the token (totem.md 4.6). */
function fillEntry(s: RingState, token: CommitToken): void {
  s.newMemb = token.addr;
  s.receivedFlg = s.oldAru === s.oldHigh ? 1 : 0;
  const mine = token.entries[token.membIndex]!;
  mine.ringId = s.oldRing;
  mine.aru = s.oldAru;
  mine.highDelivered = s.highDelivered;
  mine.receivedFlg = s.receivedFlg;
  const together = token.entries.slice(0, token.membIndex + 1).filter((entry) => ringIdEquals(entry.ringId, s.oldRing));
  let highest = s.oldAru;
  for (const entry of together) if (seqLt(highest, entry.aru)) highest = entry.aru;
  for (const entry of together) if (seqLt(entry.aru, highest)) entry.receivedFlg = 0;
  s.receivedFlg = mine.receivedFlg;
  token.membIndex++;
}

/** Sends the token on, keeps it for re-sending (totem.md 4.3). */
export function sendCommitToken(s: RingState, token: CommitToken): void {
  token.tokenSeq++;
  const at = s.nextTokenBuffer();
  const length = encodeCommitToken(s.memory.view, at, s.me, token);
  s.storeToken(at, length);
  s.statistics.add(Stat.memb_commit_token_tx);
  s.network.sendToken(s.tokenTarget, at, length);
}

/** Commit token (totem.md 4.4). The header was checked. */
export function receiveCommitToken(s: RingState, at: number, length: number, littleEndian: boolean): DropReason {
  s.statistics.add(Stat.memb_commit_token_rx);
  const bad = checkCommitToken(s.memory.view, at, length, littleEndian);
  if (bad !== Drop.NONE) return bad;
  if (s.draining) return Drop.WRONG_STATE;
  switch (s.state) {
    case 'operational':
      return Drop.WRONG_STATE;
    case 'gather':
      return acceptInGather(s, at, length, littleEndian);
    case 'commit': {
      const token = readCommitToken(s.memory.view, at, littleEndian);
      if (!ringIdEquals(token.ringId, s.ring) || token.membIndex !== token.addr.length) return Drop.DUPLICATE;
      if (!sameSet(token.addr, s.newMemb)) return Drop.BAD_TOKEN;
      enterRecovery(s, token);
      return Drop.NONE;
    }
    case 'recovery':
      // Stock does not look at the ring id (totem.md trap 19); a token of another ring has no business here.
      if (!s.isRep || s.originated) return Drop.DUPLICATE;
      if (!ringIdEquals(readCommitToken(s.memory.view, at, littleEndian).ringId, s.ring)) return Drop.FOREIGN_RING;
      startRing(s);
      return Drop.NONE;
  }
}

function acceptInGather(s: RingState, at: number, length: number, littleEndian: boolean): DropReason {
  const token = readCommitToken(s.memory.view, at, littleEndian);
  if (!ringSeqNewer(token.ringId.seq, s.ring.seq)) return Drop.DUPLICATE;
  if (!sameSet(token.addr, subtract(s.proc, s.failed))) return Drop.WRONG_STATE;
  if (token.addr[token.membIndex] !== s.me || !token.addr.includes(token.ringId.rep)) return Drop.BAD_TOKEN;
  if (!mayUse(s, token.ringId.seq)) {
    s.waitingCommit = s.memory.bytes.slice(at, at + length);
    return Drop.NONE;
  }
  enterCommit(s, token);
  return Drop.NONE;
}

/** The disk is done: a commit that had to wait goes on, unless its round is over (GATHER forgets it). */
export function resumeCommit(s: RingState): void {
  if (s.state !== 'gather') return;
  const bytes = s.waitingCommit;
  s.waitingCommit = null;
  if (bytes !== null) {
    const at = s.nextTokenBuffer();
    s.memory.bytes.set(bytes, at);
    acceptInGather(s, at, bytes.length, isLittleEndian(s.memory.view, at));
  } else if (s.commitWaiting) {
    s.commitWaiting = false;
    s.commitWaits++;
    considerCommit(s);
  }
}
