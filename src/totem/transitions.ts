import { GatherReason, type GatherReasonValue } from '../lib/gather-reason.ts';
import { type ConfigurationChange, ringIdEquals } from '../lib/ring-id.ts';
import { seqLt } from '../lib/seq.ts';
import { addOwnCapabilities, commonCapabilities } from './capabilities.ts';
import { deliverUpTo } from './delivery.ts';
import { sendJoin, sendJoinNow } from './joins.ts';
import { ascending, subtract } from './node-set.ts';
import { queueOldMessages, startNewQueue, unpackRecovered } from './recovery.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { Timer } from './timer-table.ts';
import { armTokenTimers, notePresence } from './token-timers.ts';
import { type CommitToken, encodeCommitToken } from './wire/commit-token.ts';

/*
 * The four states are entered here and nowhere else. All receivers import this file; it imports none of them, so what a frame or
 * a timer does can end in any state without the chapters importing each other in a circle.
 */

/** The consensus timeout never takes longer than so many of itself. */
const CONSENSUS_ROUNDS_MAX = 2;
/** They belong to a ring whose token goes round. */
const RING_TIMERS = [
  Timer.TOKEN,
  Timer.TOKEN_WARNING,
  Timer.TOKEN_RETRANSMIT,
  Timer.TOKEN_WAIT,
  Timer.MERGE,
  Timer.HEARTBEAT,
  Timer.SUSPICION,
  Timer.WATCH,
] as const;

/** ENTER GATHER (totem.md 4.3). `node`: whose message is the reason, if one is. */
export function enterGather(s: RingState, reason: GatherReasonValue, node = 0): void {
  const from = s.state;
  // Stock restores the old ring's numbers only where 4.4 says so; a recovery that is left in another way must too, or
  // the next commit token lies about the old ring (totem.md trap 16).
  if (s.state === 'recovery') abandonRecovery(s);
  s.discardOrf = true;
  s.tokenWaits = false;
  s.originated = false;
  s.diskWait.forgetRound();
  s.suspicion.endRing();
  s.membership.startRound(s.me);
  s.membership.joinRepeat = 0;
  sendJoin(s);
  s.timers.start(Timer.JOIN, s.timings.joinMs);
  s.timers.start(Timer.CONSENSUS, s.timings.consensusMs);
  s.consensusUntilMs = s.nowMs + CONSENSUS_ROUNDS_MAX * s.timings.consensusMs;
  for (const timer of RING_TIMERS) s.timers.stop(timer);
  s.enter('gather');
  s.statistics.add(Stat.gather_entered);
  if (reason === GatherReason.CONSENSUS_EXPIRED) s.statistics.add(Stat.continuous_gather);
  const { memb: members, proc: candidates, failed } = s.membership;
  s.observer.report({ kind: 'gather', reason, from, node, silentMs: silence(s), members, candidates, failed });
}

/** Milliseconds since the last token; 0 when there has been none. */
export function silence(s: RingState): number {
  const last = s.statistics.get(Stat.token_last_received_ms);
  return last === 0 ? 0 : s.nowMs - last;
}

function abandonRecovery(s: RingState): void {
  s.aru = s.old.aru;
  s.high = s.old.high;
}

/** The representative's commit token (totem.md 4.6), for a ring seq from `takeNextRingSeq`. */
export function createCommit(s: RingState, seq: number): void {
  const addr = ascending(subtract(s.membership.proc, s.membership.failed));
  const entries = addr.map(() => ({ ringId: { rep: 0, seq: 0 }, aru: 0, highDelivered: 0, receivedFlg: 0 }));
  const trailer = { trailerMembers: 0, capabilities: 0 };
  enterCommit(s, { tokenSeq: 0, ringId: { rep: s.me, seq }, retransFlg: 0, membIndex: 0, addr, entries, ...trailer });
}

/** ENTER COMMIT (totem.md 4.3). */
export function enterCommit(s: RingState, token: CommitToken): void {
  if (s.timers.running(Timer.SEND_JOIN)) sendJoinNow(s); // the others wait for this vote
  s.discardOrf = true; // GATHER did that; but a JOIN can lead here from OPERATIONAL on the spot
  s.old.saveOnce(s.ring, s.aru, s.high);
  fillEntry(s, token);
  s.tokenTarget = token.addr[token.membIndex % token.addr.length]!;
  if (s.network.knowsTarget(s.tokenTarget)) sendCommitToken(s, token);
  s.timers.stop(Timer.JOIN);
  s.timers.stop(Timer.CONSENSUS);
  for (const timer of RING_TIMERS) s.timers.stop(timer); // as with the token above
  s.setRing(token.ringId);
  s.ringSeqMax = s.ring.seq;
  s.diskWait.reset();
  s.disputes.forgetRound();
  s.enter('commit');
  armTokenTimers(s);
  s.flow.reset();
  s.statistics.add(Stat.commit_entered);
  s.statistics.set(Stat.continuous_gather, 0);
  s.observer.report({ kind: 'commit', ringId: s.ring });
}

/** Writes this node's entry and advances the token (totem.md 4.6). */
function fillEntry(s: RingState, token: CommitToken): void {
  s.membership.newMemb = token.addr;
  addOwnCapabilities(token, s.timings);
  s.old.receivedFlg = s.old.aru === s.old.high ? 1 : 0;
  const mine = token.entries[token.membIndex]!;
  mine.ringId = s.old.ring;
  mine.aru = s.old.aru;
  mine.highDelivered = s.highDelivered;
  mine.receivedFlg = s.old.receivedFlg;
  const together = token.entries
    .slice(0, token.membIndex + 1)
    .filter((entry) => ringIdEquals(entry.ringId, s.old.ring));
  let highest = s.old.aru;
  for (const entry of together) if (seqLt(highest, entry.aru)) highest = entry.aru;
  for (const entry of together) if (seqLt(entry.aru, highest)) entry.receivedFlg = 0;
  s.old.receivedFlg = mine.receivedFlg;
  token.membIndex++;
}

/** Sends the token on, keeps it for re-sending (totem.md 4.3). */
function sendCommitToken(s: RingState, token: CommitToken): void {
  token.tokenSeq++;
  const at = s.nextTokenBuffer();
  const length = encodeCommitToken(s.memory.view, at, s.me, token);
  s.storeToken(at, length);
  s.statistics.add(Stat.memb_commit_token_tx);
  s.network.sendToken(s.tokenTarget, at, length, 0);
}

/** ENTER RECOVERY (totem.md 4.3); `token` is the complete commit token. */
export function enterRecovery(s: RingState, token: CommitToken): void {
  s.discardOrf = false;
  s.recovery.reset();
  sendCommitToken(s, token);
  const { membership } = s;
  s.network.watchedInterface?.membershipChanged(membership.newMemb);
  membership.transMemb = membership.memb.filter((node) => {
    const entry = token.entries[token.addr.indexOf(node)];
    return entry !== undefined && ringIdEquals(entry.ringId, s.old.ring);
  });
  membership.deliverMemb = []; // those of an abandoned recovery may not come along this time
  const complete = membership.transMemb.every((node) => token.entries[token.addr.indexOf(node)]!.receivedFlg !== 0);
  if (!complete) queueOldMessages(s, token);
  s.startNumbering();
  s.capabilities = commonCapabilities(token);
  s.loss.startRing();
  s.accelerated.startRing();
  s.pace.reset();
  s.passage.tokenGone();
  armTokenTimers(s);
  s.enter('recovery');
  s.statistics.add(Stat.recovery_entered);
  s.statistics.set(Stat.continuous_gather, 0);
  s.observer.report({ kind: 'recovery', ringId: s.ring, transitional: membership.transMemb });
}

/** ENTER OPERATIONAL (totem.md 4.3), inside a token visit, before that token is forwarded. */
export function enterOperational(s: RingState): void {
  const { membership } = s;
  s.originated = false;
  unpackRecovered(s);
  deliverUpTo(s, s.old.high, false);
  const left = subtract(membership.memb, membership.transMemb);
  const lost = subtract(left, membership.politeLeavers);
  const joined = subtract(membership.newMemb, membership.transMemb);
  if (membership.memb.length > 0) s.pastRings.add(s.old.ring.rep, s.old.ring.seq);
  membership.install();
  s.user.configurationChange(change(s, 'transitional', membership.transMemb, left, []));
  s.user.beforeQueueSwitch();
  s.waitingTransAck = true;
  deliverUpTo(s, s.old.high, true);
  s.user.switchAssembly();
  s.user.configurationChange(change(s, 'regular', ascending(membership.newMemb), [], joined));
  startNewQueue(s);
  s.passage.startRing();
  s.recovery.reset();
  s.old.reset();
  s.lastAru = 0;
  s.enter('operational');
  s.settling = membership.memb.length > 1;
  notePresence(s);
  s.suspicion.changedMs = s.nowMs; // what is silent to others is not known in a new ring
  if (s.suspicion.someone) s.timers.start(Timer.SUSPICION, 0);
  if (s.network.heartbeats !== null && membership.memb.length > 1) s.timers.start(Timer.WATCH, 0);
  s.statistics.add(Stat.operational_entered);
  s.statistics.set(Stat.continuous_gather, 0);
  s.observer.report({ kind: 'operational', ringId: s.ring, members: membership.memb, joined, left, lost });
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
