import { ringSeqNewer } from '../lib/ring-seq.ts';
import { createCommit } from './commit.ts';
import { Drop, type DropReason } from './drop-reason.ts';
import { FrameClass } from './interface.ts';
import { LIMITS } from './limits.ts';
import { intersect, isSubset, lowest, sameSet, subtract, union } from './node-set.ts';
import { LEAP, requestAhead, takeNextRingSeq } from './reservation.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { Timer } from './timer-table.ts';
import { checkJoin, encodeJoin, type Join, readJoin } from './wire/join.ts';
import { decodeMergeDetect } from './wire/merge-detect.ts';

/** Reasons for entering GATHER (totem.md 4.4); the texts are in `GATHER_REASONS`. */
export const Reason = {
  CONSENSUS_TIMEOUT: 0,
  TOKEN_LOST_OPERATIONAL: 2,
  CONSENSUS_EXPIRED: 3,
  TOKEN_LOST_COMMIT: 4,
  TOKEN_LOST_RECOVERY: 5,
  FAILED_TO_RECEIVE: 6,
  FOREIGN_OPERATIONAL: 7,
  FOREIGN_GATHER: 8,
  MERGE_OPERATIONAL: 9,
  MERGE_GATHER: 10,
  MERGE_JOIN: 11,
  JOIN_OPERATIONAL: 12,
  JOIN_COMMIT: 13,
  JOIN_RECOVERY: 14,
  INTERFACE_CHANGE: 15,
} as const;
export type ReasonValue = (typeof Reason)[keyof typeof Reason];

/** ENTER GATHER (totem.md 4.3). */
export function enterGather(s: RingState, reason: ReasonValue): void {
  // Stock restores the old ring's numbers only where 4.4 says so; a recovery that is left in another way must too, or
  // the next commit token lies about the old ring (totem.md trap 16).
  if (s.state === 'recovery') abandonRecovery(s);
  s.discardOrf = true;
  s.originated = false;
  s.waitingCommit = null;
  s.commitWaiting = false;
  s.proc = union(s.proc, [s.me]);
  sendJoin(s);
  s.timers.start(Timer.JOIN, s.timings.joinMs);
  s.timers.start(Timer.CONSENSUS, s.timings.consensusMs);
  for (const timer of [Timer.TOKEN, Timer.TOKEN_WARNING, Timer.TOKEN_RETRANSMIT, Timer.MERGE, Timer.HEARTBEAT] as const)
    s.timers.stop(timer);
  s.consensus = [s.me];
  s.enter('gather');
  s.statistics.add(Stat.gather_entered);
  if (reason === Reason.CONSENSUS_EXPIRED) s.statistics.add(Stat.continuous_gather);
  s.observer.report({ kind: 'gather', reason });
}

function abandonRecovery(s: RingState): void {
  s.aru = s.oldAru;
  s.high = s.oldHigh;
}

/** With `send_join` the JOIN leaves after a random delay; stock sleeps, the core sets a timer. */
export function sendJoin(s: RingState): void {
  if (s.timings.sendJoinMs === 0) sendJoinNow(s);
  else if (!s.timers.running(Timer.SEND_JOIN)) s.timers.start(Timer.SEND_JOIN, s.random() * s.timings.sendJoinMs);
}

export function sendJoinNow(s: RingState): void {
  s.timers.stop(Timer.SEND_JOIN);
  multicastJoin(s, { leave: false, systemFrom: s.me, ringSeq: s.ring.seq, proc: s.proc, failed: s.failed });
}

function multicastJoin(s: RingState, join: Join): void {
  const at = s.nextControlBuffer();
  const length = encodeJoin(s.memory.view, at, join);
  s.statistics.add(Stat.memb_join_tx);
  s.network.multicast(at, length, FrameClass.FLUSH);
}

/** LEAVE (totem.md 4.12): one JOIN with header.nodeid 0 and this node last in the failed list. */
export function sendLeave(s: RingState): void {
  addFailed(s, [s.me]);
  multicastJoin(s, {
    leave: true,
    systemFrom: s.me,
    ringSeq: s.ring.seq,
    proc: subtract(s.proc, [s.me]),
    failed: s.failed,
  });
}

/**
 * Adds to the failed list. A JOIN cannot carry more than `processorsMax`: beyond that, nodes that are no candidates are
 * forgotten, which do not count anyway.
 */
export function addFailed(s: RingState, nodes: readonly number[]): void {
  const failed = union(s.failed, nodes);
  s.failed = failed.length <= LIMITS.processorsMax ? failed : union(intersect(s.failed, s.proc), nodes);
}

/** Every member of proc − failed is in consensus. */
export const isAgreed = (s: RingState): boolean => isSubset(subtract(s.proc, s.failed), s.consensus);

/**
 * An agreed node makes the commit token if it is the lowest, or if it failed to receive and all others know (totem.md
 * 4.5 step 2). Answers whether COMMIT was entered.
 */
export function considerCommit(s: RingState): boolean {
  if (s.state !== 'gather' && s.state !== 'operational') return false;
  if (!isAgreed(s)) return false;
  if (s.failedToReceive) {
    const seq = takeNextRingSeq(s);
    if (seq < 0) return false;
    s.failedToReceive = false;
    s.proc = [s.me];
    s.failed = [];
    createCommit(s, seq);
    return true;
  }
  if (lowest(subtract(s.proc, s.failed)) !== s.me) return false;
  const seq = takeNextRingSeq(s);
  if (seq >= 0) createCommit(s, seq);
  return seq >= 0;
}

/** MEMB_JOIN (totem.md 4.4, 4.5). The header was checked. */
export function receiveJoin(s: RingState, at: number, length: number, littleEndian: boolean): DropReason {
  s.statistics.add(Stat.memb_join_rx);
  const bad = checkJoin(s.memory.view, at, length, littleEndian);
  if (bad !== Drop.NONE) return bad;
  const join = readJoin(s.memory.view, at, littleEndian);
  if (wokeFromPause(s)) return Drop.STALE_JOIN;
  if (ringSeqNewer(join.ringSeq, s.ringSeqMax) && ringSeqNewer(join.ringSeq, s.ring.seq)) {
    s.ringSeqMax = join.ringSeq;
    // A leap is reserved only when it is taken: each visit to the disk costs more than a forged JOIN.
    if (join.ringSeq - s.ring.seq < LEAP) requestAhead(s, s.ringSeqMax);
  }
  if (s.draining) return Drop.STALE_JOIN;
  switch (s.state) {
    case 'operational':
      if (join.failed.includes(s.me)) return Drop.WRONG_STATE;
      if (isPast(s, join.systemFrom, join.ringSeq)) return Drop.PAST_RING; // totem.md trap 17
      return processJoin(s, join);
    case 'gather':
      return processJoin(s, join);
    case 'commit':
    case 'recovery': {
      if (!s.newMemb.includes(join.systemFrom) || ringSeqNewer(s.ring.seq, join.ringSeq)) return Drop.WRONG_STATE;
      const recovering = s.state === 'recovery';
      const result = processJoin(s, join);
      if (recovering) s.statistics.add(Stat.recovery_token_lost);
      if (recovering) enterGather(s, Reason.TOKEN_LOST_RECOVERY);
      enterGather(s, recovering ? Reason.JOIN_RECOVERY : Reason.JOIN_COMMIT);
      return result;
    }
  }
}

function processJoin(s: RingState, join: Join): DropReason {
  const polite = join.failed.at(-1);
  if (join.leave && polite !== undefined) {
    // Only members are asked for later; names made up by others would pile up for as long as the gathering lasts.
    if (s.memb.includes(polite)) s.politeLeavers = union(s.politeLeavers, [polite]);
    s.observer.report({ kind: 'leaveReceived', nodeId: polite });
  }
  let news = false;
  if (sameSet(join.proc, s.proc) && sameSet(join.failed, s.failed)) {
    // The vote of a node that is not on the list decides nothing, and forged ones must not make the list of votes grow.
    if (!join.leave && s.proc.includes(join.systemFrom)) s.consensus = union(s.consensus, [join.systemFrom]);
    if (considerCommit(s)) return Drop.NONE;
  } else if (!isSubset(join.proc, s.proc) || !isSubset(join.failed, s.failed)) {
    // A node learns nothing from itself. A forged JOIN, or one of a second node with the same id, would otherwise
    // put this node on its own failed list, from which nothing takes it off again.
    news = join.systemFrom !== s.me && !s.failed.includes(join.systemFrom);
  }
  if (news) return adoptLists(s, join);
  if (s.state === 'operational') enterGather(s, Reason.JOIN_OPERATIONAL);
  return Drop.NONE;
}

/**
 * Step 5: the lists of the JOIN bring something new. Stock enters GATHER again even if nothing of it is adopted (a
 * stranger's failed list does not count): two such nodes then answer each other's JOINs at the speed of the network, all
 * others with them, and restart the consensus timer that would end it. Here a JOIN that changes nothing is not answered;
 * the join timer repeats ours soon enough.
 */
function adoptLists(s: RingState, join: Join): DropReason {
  const proc = union(s.proc, join.proc);
  let failed = s.failed;
  if (join.failed.includes(s.me)) failed = union(failed, [join.systemFrom]);
  else if (s.memb.includes(join.systemFrom)) failed = union(failed, join.failed); // totem.md trap 18: a stranger's do not count
  if (proc.length > LIMITS.processorsMax || failed.length > LIMITS.processorsMax) return Drop.TOO_MANY_NODES;
  if (s.state === 'gather' && proc.length === s.proc.length && failed.length === s.failed.length) return Drop.NONE;
  s.proc = proc;
  s.failed = failed;
  enterGather(s, Reason.MERGE_JOIN);
  return Drop.NONE;
}

/** Whether the process did not run for long, so that this JOIN and all that waits is stale (totem.md 4.15). */
function wokeFromPause(s: RingState): boolean {
  const pausedMs = s.nowMs - s.pauseRecordMs;
  if (pausedMs <= s.timings.tokenMs / 2) return false;
  const discarded = s.network.discardInput();
  s.observer.report({ kind: 'pause', pausedMs, discarded });
  return discarded > 0;
}

/**
 * What a member of this node's operational ring said on an earlier ring: late, or recorded and sent again. Who is in a ring has left
 * all earlier ones for good, so there is nothing to merge with. Should it be the truth after all (a node that came back without
 * its state directory), the token is lost and everybody gathers.
 */
const isPast = (s: RingState, node: number, ringSeq: number): boolean =>
  s.memb.includes(node) && ringSeqNewer(s.ring.seq, ringSeq);

/** An MCAST of another ring (totem.md 4.4): a partition to merge with. */
export function foreignMessage(s: RingState, systemFrom: number, ringRep: number, ringSeq: number): DropReason {
  if (s.state === 'commit' || s.state === 'recovery') {
    s.statistics.add(Stat.rx_msg_dropped);
    return Drop.FOREIGN_RING;
  }
  return meetForeigner(s, systemFrom, ringRep, ringSeq, Reason.FOREIGN_OPERATIONAL, Reason.FOREIGN_GATHER);
}

/** MEMB_MERGE_DETECT (totem.md 4.4, 4.11). The header was checked. */
export function receiveMergeDetect(s: RingState, at: number, length: number, littleEndian: boolean): DropReason {
  s.statistics.add(Stat.memb_merge_detect_rx);
  const from = s.mergeDetect;
  const bad = decodeMergeDetect(s.memory.view, at, length, littleEndian, from);
  if (bad !== Drop.NONE) return bad;
  if (s.isRing(from.ringRep, from.ringSeq)) return Drop.NONE;
  if (s.state === 'commit' || s.state === 'recovery') return Drop.WRONG_STATE;
  return meetForeigner(s, from.systemFrom, from.ringRep, from.ringSeq, Reason.MERGE_OPERATIONAL, Reason.MERGE_GATHER);
}

function meetForeigner(
  s: RingState,
  node: number,
  ringRep: number,
  ringSeq: number,
  operational: ReasonValue,
  gather: ReasonValue,
): DropReason {
  // Stock gathers at both: without the key, recorded packets of an earlier ring then re-form this one.
  if (s.state === 'operational' && isPast(s, node, ringSeq)) return Drop.PAST_RING;
  if (s.pastRings.has(ringRep, ringSeq)) return Drop.PAST_RING;
  const known = s.proc.includes(node);
  if (s.state === 'gather' && known) return Drop.FOREIGN_RING;
  if (!known && s.proc.length >= LIMITS.processorsMax) return Drop.TOO_MANY_NODES;
  s.proc = union(s.proc, [node]);
  enterGather(s, s.state === 'operational' ? operational : gather);
  return Drop.NONE;
}
