import { GatherReason, type GatherReasonValue } from '../lib/gather-reason.ts';
import { ringSeqNewer } from '../lib/ring-seq.ts';
import { TotemDrop, type TotemDropReason } from './drop-reason.ts';
import { addFailed } from './joins.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { isSubset, lowest, sameSet, subtract, union } from './node-set.ts';
import { LEAP, requestAhead, requestLeap, takeNextRingSeq } from './reservation.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { isUnheard } from './suspicion.ts';
import { createCommit, enterGather } from './transitions.ts';
import { checkJoin, type Join, readJoin } from './wire/join.ts';
import { decodeMergeDetect } from './wire/merge-detect.ts';

/** Every member of proc − failed is in consensus. */
export const isAgreed = (s: RingState): boolean =>
  isSubset(subtract(s.membership.proc, s.membership.failed), s.membership.consensus);

/**
 * An agreed node makes the commit token if it is the lowest, or if it failed to receive and all others know (totem.md
 * 4.5 step 2). Returns whether COMMIT was entered.
 */
export function considerCommit(s: RingState): boolean {
  if (s.state !== 'gather' && s.state !== 'operational') return false;
  if (!isAgreed(s)) return false;
  if (s.membership.failedToReceive) {
    const seq = takeNextRingSeq(s);
    if (seq < 0) return false;
    s.membership.failedToReceive = false;
    s.membership.proc = [s.me];
    s.membership.failed = [];
    createCommit(s, seq);
    return true;
  }
  if (lowest(subtract(s.membership.proc, s.membership.failed)) !== s.me) return false;
  const seq = takeNextRingSeq(s);
  if (seq >= 0) createCommit(s, seq);
  return seq >= 0;
}

/** MEMB_JOIN (totem.md 4.4, 4.5). The header was checked. */
export function receiveJoin(s: RingState, at: number, length: number, littleEndian: boolean): TotemDropReason {
  s.statistics.add(Stat.memb_join_rx);
  const bad = checkJoin(s.memory.view, at, length, littleEndian);
  if (bad !== TotemDrop.NONE) return bad;
  const join = readJoin(s.memory.view, at, littleEndian);
  if (wokeFromPause(s)) return TotemDrop.STALE_JOIN;
  if (ringSeqNewer(join.ringSeq, s.ringSeqMax) && ringSeqNewer(join.ringSeq, s.ring.seq)) {
    s.ringSeqMax = join.ringSeq;
    if (join.ringSeq - s.ring.seq < LEAP) requestAhead(s, s.ringSeqMax);
    else requestLeap(s, s.ringSeqMax);
  }
  if (s.draining) return TotemDrop.STALE_JOIN;
  switch (s.state) {
    case 'operational':
      if (join.failed.includes(s.me)) return TotemDrop.WRONG_STATE;
      if (isPast(s, join.systemFrom, join.ringSeq)) return TotemDrop.PAST_RING; // late: of the round that ended (totem.md trap 17)
      if (isUnheard(s, join.systemFrom)) return TotemDrop.UNHEARD;
      if (isTooEarly(s, join.systemFrom)) return TotemDrop.TOO_EARLY;
      return processJoin(s, join);
    case 'gather': {
      const result = processJoin(s, join);
      if (s.state === 'gather') takeSide(s, join);
      return result;
    }
    case 'commit':
    case 'recovery': {
      if (!s.membership.newMemb.includes(join.systemFrom)) return TotemDrop.WRONG_STATE;
      if (ringSeqNewer(s.ring.seq, join.ringSeq) && !hasMovedOn(s, join)) return TotemDrop.WRONG_STATE;
      const recovering = s.state === 'recovery';
      const result = processJoin(s, join);
      if (recovering) s.statistics.add(Stat.recovery_token_lost);
      if (recovering) enterGather(s, GatherReason.TOKEN_LOST_RECOVERY);
      enterGather(s, recovering ? GatherReason.JOIN_RECOVERY : GatherReason.JOIN_COMMIT, join.systemFrom);
      return result;
    }
  }
}

/**
 * A member of the ring to be has more candidates than when it agreed, so it takes no commit token of that ring any more. When many nodes start at
 * once two of them agree at times before they hear of the others. Stock waits for that token until it counts as lost: with 32 nodes and the default
 * coefficient 22.5 s, for which all others wait.
 */
const hasMovedOn = (s: RingState, { systemFrom, proc }: Join): boolean =>
  s.state === 'commit' && systemFrom !== s.me && !isSubset(proc, s.membership.proc);

/** A JOIN is its sender's vote for the lists in it. */
const isVote = (s: RingState, join: Join): boolean =>
  sameSet(join.proc, s.membership.proc) && sameSet(join.failed, s.membership.failed);

/** Returns whether it completed the agreement. */
function countVote(s: RingState, join: Join): boolean {
  // The vote of a node that is not on the list decides nothing, and forged ones must not make the list of votes grow.
  if (!join.leave && s.membership.proc.includes(join.systemFrom))
    s.membership.consensus = union(s.membership.consensus, [join.systemFrom]);
  return considerCommit(s);
}

function processJoin(s: RingState, join: Join): TotemDropReason {
  const polite = join.failed.at(-1);
  if (join.leave && polite !== undefined) {
    // Only members are asked for later; names made up by others would pile up for as long as the gathering lasts.
    if (s.membership.memb.includes(polite)) s.membership.politeLeavers = union(s.membership.politeLeavers, [polite]);
    s.observer.report({ kind: 'leaveReceived', nodeId: polite });
  }
  let news = false;
  if (isVote(s, join)) {
    if (countVote(s, join)) return TotemDrop.NONE;
  } else if (!isSubset(join.proc, s.membership.proc) || !isSubset(join.failed, s.membership.failed)) {
    // A node learns nothing from itself. A forged JOIN, or one of a second node with the same id, would otherwise
    // put this node on its own failed list, from which nothing takes it off again.
    news = join.systemFrom !== s.me && !s.membership.failed.includes(join.systemFrom);
  }
  if (news) return adoptLists(s, join);
  if (s.state === 'operational') enterGather(s, GatherReason.JOIN_OPERATIONAL, join.systemFrom);
  return TotemDrop.NONE;
}

/**
 * Step 5: the lists of the JOIN bring something new. Stock enters GATHER again even if nothing of it is adopted (a
 * stranger's failed list does not count): two such nodes then answer each other's JOINs at the speed of the network, all
 * others with them, and restart the consensus timer that would end it. Here a JOIN that changes nothing is not answered;
 * the join timer repeats ours soon enough.
 */
function adoptLists(s: RingState, join: Join): TotemDropReason {
  const proc = union(s.membership.proc, join.proc);
  let failed = s.membership.failed;
  if (join.failed.includes(s.me)) failed = union(failed, [join.systemFrom]);
  else if (s.membership.memb.includes(join.systemFrom)) failed = union(failed, join.failed); // totem.md trap 18: a stranger's do not count
  if (proc.length > TOTEM_LIMITS.processorsMax || failed.length > TOTEM_LIMITS.processorsMax)
    return TotemDrop.TOO_MANY_NODES;
  if (s.state === 'gather' && proc.length === s.membership.proc.length && failed.length === s.membership.failed.length)
    return TotemDrop.NONE;
  const settled = s.state === 'operational' || s.state === 'gather'; // otherwise `receiveJoin` starts another round
  s.membership.proc = proc;
  s.membership.failed = failed;
  enterGather(s, GatherReason.MERGE_JOIN, join.systemFrom);
  // Who taught this node its lists has voted for them with that very JOIN. Stock counts its next one only, so each agreement that
  // needs this vote waits for the sender's join timer.
  if (settled && isVote(s, join)) countVote(s, join);
  return TotemDrop.NONE;
}

/**
 * Two candidates that have each other on their failed lists agree on no ring before both have been in one: until then the lists only grow. Who is of neither part and
 * has both among its candidates waits for both in vain, and they for it, and when the consensus timers go off, at nearly the same time, everybody fails
 * everybody. So it takes a side at once: that of the lower node, which others who hear the same take, too. Its JOIN is a vote for that part and puts it on the lists
 * of the other one: both form their rings, and meet with empty lists.
 */
function takeSide(s: RingState, join: Join): void {
  const { membership, disputes } = s;
  const from = join.systemFrom;
  if (join.leave || from === s.me || !membership.proc.includes(from)) return;
  disputes.note(from, join.failed);
  const candidates = subtract(membership.proc, [...membership.failed, s.me]);
  const opponents = candidates.includes(from) ? candidates.filter((node) => disputes.between(from, node)) : [];
  if (opponents.length === 0) return;
  addFailed(s, lowest(opponents) < from ? [from] : opponents);
  enterGather(s, GatherReason.MERGE_JOIN, from);
  if (isVote(s, join)) countVote(s, join);
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
 * What a member of this node's operational ring sent on an earlier ring: late, or recorded and sent again. Who is in a ring has left
 * all earlier ones for good, so there is nothing to merge with. Should it be the truth after all (a node that came back without
 * its state directory), the token is lost and everybody gathers.
 */
const isPast = (s: RingState, node: number, ringSeq: number): boolean =>
  s.membership.memb.includes(node) && ringSeqNewer(s.ring.seq, ringSeq);

/**
 * The first member that becomes operational is a rotation of the token ahead of the last one. If it gathered now, for somebody outside of the ring, the others
 * would leave RECOVERY, and their failed lists, which only OPERATIONAL empties, would name that very node: two parts with each other on those lists would form
 * their rings and lose them again for ever. So nobody is met before the token has come round: stock does not wait, and forms a ring or not by luck.
 */
const isTooEarly = (s: RingState, node: number): boolean => s.settling && !s.membership.memb.includes(node);

/** An MCAST of another ring (totem.md 4.4): a partition to merge with. */
export function foreignMessage(s: RingState, systemFrom: number, ringRep: number, ringSeq: number): TotemDropReason {
  if (s.state === 'commit' || s.state === 'recovery') {
    s.statistics.add(Stat.rx_msg_dropped);
    return TotemDrop.FOREIGN_RING;
  }
  return meetForeigner(s, systemFrom, ringRep, ringSeq, GatherReason.FOREIGN_OPERATIONAL, GatherReason.FOREIGN_GATHER);
}

/** MEMB_MERGE_DETECT (totem.md 4.4, 4.11). The header was checked. */
export function receiveMergeDetect(s: RingState, at: number, length: number, littleEndian: boolean): TotemDropReason {
  s.statistics.add(Stat.memb_merge_detect_rx);
  const from = s.mergeDetect;
  const bad = decodeMergeDetect(s.memory.view, at, length, littleEndian, from);
  if (bad !== TotemDrop.NONE) return bad;
  if (s.isRing(from.ringRep, from.ringSeq)) return TotemDrop.NONE;
  if (s.state === 'commit' || s.state === 'recovery') return TotemDrop.WRONG_STATE;
  return meetForeigner(
    s,
    from.systemFrom,
    from.ringRep,
    from.ringSeq,
    GatherReason.MERGE_OPERATIONAL,
    GatherReason.MERGE_GATHER,
  );
}

function meetForeigner(
  s: RingState,
  node: number,
  ringRep: number,
  ringSeq: number,
  operational: GatherReasonValue,
  gather: GatherReasonValue,
): TotemDropReason {
  // As a JOIN with such a number: a node with that number cannot be in a ring with us, and gathering for it would never end.
  if (ringSeq > TOTEM_LIMITS.ringSeqMax) return TotemDrop.BAD_RING_SEQ;
  // Stock gathers at both: without the key, recorded packets of an earlier ring then re-form this one.
  if (s.state === 'operational' && isPast(s, node, ringSeq)) return TotemDrop.PAST_RING;
  if (s.pastRings.has(ringRep, ringSeq)) return TotemDrop.PAST_RING;
  if (s.state === 'operational' && isUnheard(s, node)) return TotemDrop.UNHEARD;
  if (s.state === 'operational' && isTooEarly(s, node)) return TotemDrop.TOO_EARLY;
  const known = s.membership.proc.includes(node);
  if (s.state === 'gather' && known) return TotemDrop.FOREIGN_RING;
  if (!known && s.membership.proc.length >= TOTEM_LIMITS.processorsMax) return TotemDrop.TOO_MANY_NODES;
  s.membership.proc = union(s.membership.proc, [node]);
  enterGather(s, s.state === 'operational' ? operational : gather, node);
  return TotemDrop.NONE;
}
