import { GatherReason } from '../lib/gather-reason.ts';
import { seqAdd, seqDistance, seqLt, seqLte, seqNext } from '../lib/seq.ts';
import { advanceAru, deliverUpTo, freeDelivered } from './delivery.ts';
import { TotemDrop, type TotemDropReason } from './drop-reason.ts';
import { FrameClass } from './interface.ts';
import { addFailed } from './joins.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { copiesFor } from './loss-control.ts';
import { stubBytes, writeStub } from './recovery-index.ts';
import type { SendQueue } from './send-queue.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { Timer } from './timer-table.ts';
import { armTokenTimers, resendToken } from './token-timers.ts';
import { enterGather, enterOperational } from './transitions.ts';
import { isLittleEndian } from './wire/header.ts';
import { MCAST, MCAST_HEADER_BYTES, numberMcast } from './wire/mcast.ts';
import { decodeOrfToken, encodeOrfToken, type OrfToken } from './wire/orf-token.ts';

/** How long a token may wait for messages of this node: as long as a rotation takes, within these bounds. */
const TOKEN_WAIT_MS = { min: 0.05, max: 0.2 } as const;
/** Full windows that may be under way in a ring of any size. */
const WINDOWS_AHEAD_MIN = 3;
/** Bytes that are waiting are load enough for a visit: as many as go out in one packet over knet. */
const LOAD_BYTES = 65_536;

/** The ORF token (totem.md 4.8); the comments name its steps. The header was checked. */
export function receiveOrfToken(s: RingState, at: number, length: number, littleEndian: boolean): TotemDropReason {
  s.statistics.add(Stat.orf_token_rx);
  endWait(s); // a copy, or somebody's who does not know: what waits is processed first, and `token` is free again
  const token = s.token;
  if (s.draining || s.discardOrf) return TotemDrop.WRONG_STATE;
  const bad = decodeOrfToken(s.memory.view, at, length, littleEndian, token); // step 1: lengths and byte order
  if (bad !== TotemDrop.NONE) return bad;
  detectIdle(s, token); // step 2: does the ring have nothing to do?
  const { multicastSocket } = s.network;
  if (multicastSocket !== null) {
    s.draining = true;
    multicastSocket.drain(); // step 3: what waits on the multicast socket came before the token
    s.draining = false;
    if (s.discardOrf) return TotemDrop.WRONG_STATE; // what was drained led to GATHER
  }
  // step 4: an idle ring's representative holds the token
  s.held = s.isRep ? s.unchanged > s.timings.seqnoUnchangedConst : s.unchanged >= s.timings.seqnoUnchangedConst;
  if (!s.isRing(token.ringRep, token.ringSeq)) return TotemDrop.FOREIGN_RING; // step 6: foreign ring, duplicate
  if (seqLte(token.tokenSeq, s.myTokenSeq)) {
    if (token.tokenSeq === s.myTokenSeq && s.pace.resendsOnCopy(s.nowMs)) resendToken(s);
    return TotemDrop.DUPLICATE;
  }
  // A valid token never lies behind what this node has, nor a whole window ahead; stock aborts on such a range.
  if (seqDistance(token.seq, s.aru) > TOTEM_LIMITS.sortQueueSlots) return TotemDrop.BAD_TOKEN;
  if (mayWait(s, token)) {
    s.tokenWaits = true;
    s.timers.start(Timer.TOKEN_WAIT, Math.min(TOKEN_WAIT_MS.max, Math.max(TOKEN_WAIT_MS.min, s.pace.rotationMs)));
  } else visit(s, token);
  return TotemDrop.NONE;
}

/**
 * Nobody else has sent anything since this node passed the token on, nobody asks for anything, and this node's clients send all the time:
 * the rotation that would begin now carries next to nothing, and costs every node as much as a full one. Where the clients share
 * processors with the daemons it is what keeps them from sending.
 */
function mayWait(s: RingState, token: OrfToken): boolean {
  return (
    s.state === 'operational' &&
    !s.held &&
    !s.settling &&
    token.seq === s.passedSeq &&
    token.seq === s.aru &&
    token.rtrCount === 0 &&
    token.backlog === 0 &&
    !isLoad(s) &&
    s.user.sendsSoon()
  );
}

/** What waits for the token fills a visit. */
const isLoad = (s: RingState): boolean =>
  sendingQueue(s).length >= Math.min(maxMessages(s), Math.ceil(LOAD_BYTES / s.mtu));

/** Messages are there: the token goes on when they fill a visit. */
export function load(s: RingState): void {
  if (s.tokenWaits && isLoad(s)) endWait(s);
}

/** The token goes on, with the messages that came meanwhile. */
export function endWait(s: RingState): void {
  if (!s.tokenWaits) return;
  s.tokenWaits = false;
  s.timers.stop(Timer.TOKEN_WAIT);
  if (s.state === 'operational') visit(s, s.token);
}

function detectIdle(s: RingState, token: OrfToken): void {
  if (token.seq === s.lastSeq) {
    if (!s.timers.running(Timer.MERGE)) s.timers.start(Timer.MERGE, s.timings.mergeMs);
    s.unchanged++;
  } else {
    s.timers.stop(Timer.MERGE);
    s.timers.stop(Timer.HOLD);
    s.unchanged = 0;
  }
  s.lastSeq = token.seq;
}

/** A token of this ring that was not seen before. */
function visit(s: RingState, token: OrfToken): void {
  s.tokenArrivedMs = s.nowMs;
  s.settling = false;
  s.pace.returned(s.nowMs);
  s.passage.visit(s);
  s.loss.visit(token.seq);
  s.accelerated.visit(token.rtrCount, token.seq !== s.passedSeq);
  s.statistics.values[Stat.token_last_received_ms] = s.nowMs;
  let forward = !(s.isRep && s.held);
  if (s.state === 'operational') freeDelivered(s, token.aru); // step 5: all nodes have these
  s.user.tokenReceived(); // step 7: totempg flushes its packing buffer, before any change of queues
  const previousAru = s.lastAru; // step 8: the aru as received, for steps 15 and 16
  s.lastAru = token.aru;
  if (s.state === 'recovery') passOver(s, token);
  let allowed = budget(s, token); // step 9: flow control
  const resent = serveRequests(s, token, allowed); // step 10: resend what others miss
  allowed -= resent;
  addRequests(s, token); // step 11: ask for what is missing here
  if (s.timings.cancelTokenHoldOnRetransmit && s.held && (token.rtrCount > 0 || resent > 0)) {
    s.held = false; // step 12: somebody waits for a retransmission
    forward = true;
  }
  const sent = sendNew(s, token, guardWindow(s, token, allowed)); // step 13: broadcast new messages
  accountFlow(s, token, resent + sent);
  updateAru(s, token); // step 14: lower the token's aru, or raise one's own
  // step 15: for how many visits has somebody held the aru down?
  s.aruCount = token.aru === previousAru && token.aruAddr !== 0 ? s.aruCount + 1 : 0;
  if (s.aruCount > s.timings.failRecvConst && token.aruAddr === s.me) {
    declareFailed(s); // step 16: this node does not receive
    return;
  }
  s.myTokenSeq = token.tokenSeq; // step 17: the token is this node's to pass on
  token.tokenSeq = seqNext(token.tokenSeq);
  if (s.state === 'recovery') advanceRecovery(s, token);
  const at = s.nextTokenBuffer(); // step 18: keep a copy to resend, then forward
  s.storeToken(at, encodeOrfToken(s.memory.view, at, s.me, token));
  s.pace.passed(s.nowMs, token.seq, s.held, !forward);
  s.passedSeq = token.seq;
  if (forward) sendOrfToken(s);
  sendRest(s, forward);
  if (s.state === 'operational') deliverUpTo(s, s.high, false); // step 19: deliver in order
  armTokenTimers(s); // step 20: timers
  armHeartbeat(s);
  if (s.isRep && s.held) s.timers.start(Timer.HOLD, s.timings.holdMs);
  s.samples.add(s);
  s.user.tokenSent();
}

function sendOrfToken(s: RingState): void {
  s.statistics.add(Stat.orf_token_tx);
  s.network.sendToken(s.tokenTarget, s.lastTokenOffset, s.lastTokenBytes, 0);
}

/** Acts like a token loss, earlier (totem.md 4.15). */
function armHeartbeat(s: RingState): void {
  const t = s.timings;
  if (t.heartbeatFailuresAllowed === 0) return;
  const timeoutMs = t.heartbeatFailuresAllowed * t.tokenRetransmitMs + t.maxNetworkDelayMs;
  if (s.held || timeoutMs >= t.tokenMs) s.timers.stop(Timer.HEARTBEAT);
  else s.timers.start(Timer.HEARTBEAT, timeoutMs);
}

/** The queue that new messages come from (totem.md 4.8 step 13, 5.5). */
const sendingQueue = (s: RingState): SendQueue => (s.waitingTransAck ? s.transQueue : s.newQueue);

const backlog = (s: RingState): number =>
  s.state === 'recovery' ? s.recovery.retransCount - s.recovery.retransFirst : sendingQueue(s).length;

/** The most that one visit may broadcast: max_messages, or fewer where those would not stay in a processor's caches. */
export const maxMessages = (s: RingState): number =>
  s.loss.windowScale(s) * Math.min(s.timings.maxMessages, s.loss.cachedMessages(s));

/** How many messages this visit may broadcast (totem.md 4.9). */
function budget(s: RingState, token: OrfToken): number {
  s.flow.cbl = backlog(s);
  const windowSize = s.loss.windowScale(s) * s.timings.windowSize;
  const allowed = Math.min(maxMessages(s), (windowSize - token.fcc) >>> 0); // unsigned on purpose (totem.md trap 31)
  const demand = (token.backlog + s.flow.cbl - s.flow.pbl) >>> 0;
  if (demand === 0) return allowed;
  const share = Math.floor((windowSize * s.flow.pbl) / demand);
  return share > 0 ? Math.min(allowed, share) : allowed; // a share of 0 does not block (totem.md trap 32)
}

function accountFlow(s: RingState, token: OrfToken, messages: number): void {
  token.fcc = (token.fcc + messages - s.flow.trc) >>> 0;
  s.flow.trc = messages;
  token.backlog = (token.backlog + s.flow.cbl - s.flow.pbl) >>> 0;
  s.flow.pbl = s.flow.cbl;
}

/** Multicasts again what the token asks for and this node has, byte for byte, whoever sent it first. */
function serveRequests(s: RingState, token: OrfToken, allowed: number): number {
  let resent = 0;
  for (let i = 0; i < token.rtrCount && resent < allowed; ) {
    const seq = token.rtrSeq[i]!;
    if (s.isRing(token.rtrRep[i]!, token.rtrRingSeq[i]!) && resend(s, seq)) {
      s.statistics.add(Stat.mcast_retx);
      s.loss.noteRepeated();
      resent++;
      token.removeRequest(i);
    } else i++;
  }
  return resent;
}

function resend(s: RingState, seq: number): boolean {
  const queue = s.active;
  if (!queue.holds(seq)) return false;
  const stub = queue.isStub(seq);
  const at = stub ? writeStub(s, seq) : queue.offsetOf(seq);
  if (at < 0) return false;
  s.origins?.repeated(s.memory.view.getUint32(at + MCAST.systemFrom, isLittleEndian(s.memory.view, at)));
  s.network.resend(at, stub ? stubBytes(s, seq) : queue.lengthOf(seq), copiesFor(queue.countRepeat(seq)));
  return true;
}

/** Asks for what has been missing for `miss_count_const` visits, or, where all members do so, for a rotation. */
function addRequests(s: RingState, token: OrfToken): void {
  if (s.aru === token.seq) return;
  const queue = s.active;
  const before = token.rtrCount;
  const missCount = s.loss.missCountFor(s);
  const end = seqNext(token.seq);
  for (let seq = seqNext(s.aru); seq !== end && token.rtrCount < TOTEM_LIMITS.rtrEntriesMax; seq = seqNext(seq)) {
    if (!queue.inRange(seq) || queue.has(seq)) continue;
    if (queue.countMiss(seq) < missCount || token.hasRequest(seq)) continue;
    token.rtrRep[token.rtrCount] = s.ring.rep;
    token.rtrRingSeq[token.rtrCount] = s.ring.seq;
    token.rtrSeq[token.rtrCount] = seq;
    token.rtrCount++;
    s.loss.noteRequested(seq);
  }
  if (token.rtrCount > before)
    s.observer.report({ kind: 'retransmitRequest', seqs: [...token.rtrSeq.subarray(before, token.rtrCount)] });
}

/**
 * The ring never runs more than a sort queue ahead of what this node has released, nor more than its memory holds (stock
 * takes what it needs from the system): the others would have to keep as much.
 */
function guardWindow(s: RingState, token: OrfToken, allowed: number): number {
  if (s.state === 'operational' && (token.seq - s.released) >>> 0 > Math.min(s.framesAheadMax, recoverable(s)))
    return 0;
  const limit = seqAdd(
    s.released,
    TOTEM_LIMITS.sortQueueSlots - allowed - s.loss.windowScale(s) * s.timings.windowSize,
  );
  return seqLt(limit, token.seq) ? 0 : allowed;
}

/**
 * Messages that may be under way: when the ring breaks, each survivor sends again all that it has of those and some other may lack, and one
 * RECOVERY has no more numbers than a sort queue, for the rings of two parts that meet. What is beyond that is never recovered, and the ring
 * stays in RECOVERY for ever (seed 3150: five survivors with 3,800 messages each). Some rotations of full windows are always allowed.
 */
function recoverable(s: RingState): number {
  const survivors = Math.max(1, s.membership.memb.length);
  return Math.max(WINDOWS_AHEAD_MIN * s.timings.windowSize, Math.floor(TOTEM_LIMITS.sortQueueSlots / (2 * survivors)));
}

/** Broadcasts new messages; returns how many. */
function sendNew(s: RingState, token: OrfToken, allowed: number): number {
  let sent = 0;
  if (s.state === 'recovery') while (sent < allowed && sendRecovered(s, token)) sent++;
  else sent = sendQueued(s, token, allowed);
  if (sent > 0) advanceAru(s);
  return sent;
}

/** Numbers what may be sent of the queue, and sends all of it but what follows the token. */
function sendQueued(s: RingState, token: OrfToken, allowed: number): number {
  const count = Math.min(allowed, sendingQueue(s).length);
  if (count === 0) return 0;
  const { accelerated } = s;
  accelerated.count = Math.min(count, accelerated.windowFor(s));
  accelerated.firstSeq = seqAdd(token.seq, count - accelerated.count + 1);
  for (let i = 0; i < count; i++) {
    numberQueued(s, token);
    if (i < count - accelerated.count) multicastNumbered(s, token.seq);
  }
  return count;
}

/** What the token left behind, before anything else happens. */
function sendRest(s: RingState, tokenSent: boolean): void {
  const { accelerated } = s;
  const { count } = accelerated;
  if (count === 0) return;
  if (tokenSent) {
    s.network.sendNow();
    s.statistics.values[Stat.sent_behind_token] = s.statistics.values[Stat.sent_behind_token]! + count;
  }
  for (let seq = accelerated.firstSeq; accelerated.count > 0; accelerated.count--, seq = seqNext(seq))
    multicastNumbered(s, seq);
}

const multicastNumbered = (s: RingState, seq: number): void =>
  s.network.multicast(s.regular.offsetOf(seq), s.regular.lengthOf(seq), FrameClass.NOFLUSH, 0);

function numberQueued(s: RingState, token: OrfToken): void {
  const queue = sendingQueue(s);
  const at = queue.headOffset;
  const length = queue.headLength;
  token.seq = seqNext(token.seq);
  s.passage.sent(token.seq, queue);
  queue.shift();
  numberMcast(s.memory.view, at, token.seq, s.thisSeqno, s.ring.rep, s.ring.seq);
  s.thisSeqno = (s.thisSeqno + 1) | 0;
  s.regular.remove(token.seq); // only a forged message can be there: the holder of the token gives the numbers
  s.regular.add(token.seq, at, length);
  noteNumber(s, token.seq);
}

/** The newest number, unless somebody has forged messages with later ones, which are here and count as received. */
function noteNumber(s: RingState, seq: number): void {
  if (seqLt(s.high, seq)) s.high = seq;
}

/**
 * Old messages that need not be sent again here: another survivor has sent them in this recovery, which does not end before everybody has what was sent in
 * it. Stock sends all of them from each survivor: with nine of those and a small window, longer than most faults last (seed 6178).
 */
function passOver(s: RingState, token: OrfToken): void {
  while (!s.recovery.allSent && isNotSent(s, nextRetrans(s), token)) s.recovery.retransFirst++;
}

const isNotSent = (s: RingState, seq: number, token: OrfToken): boolean =>
  s.recovery.index.wasSent(seq, token.seq) ||
  // A peer with a larger netmtu can have sent a message that no datagram carries with a second header.
  s.regular.lengthOf(seq) > TOTEM_LIMITS.frameBytesMax - MCAST_HEADER_BYTES;

function sendRecovered(s: RingState, token: OrfToken): boolean {
  passOver(s, token);
  if (s.recovery.allSent) return false;
  const seq = seqNext(token.seq);
  s.recovery.index.noteStub(seq, nextRetrans(s), s.me, s.thisSeqno);
  const at = writeStub(s, seq);
  if (at < 0) return false;
  token.seq = seq;
  s.thisSeqno = (s.thisSeqno + 1) | 0;
  s.recovery.queue.remove(seq);
  s.recovery.queue.addStub(seq);
  s.network.multicast(at, stubBytes(s, seq), FrameClass.NOFLUSH, 0);
  noteNumber(s, seq);
  s.recovery.retransFirst++;
  return true;
}

const nextRetrans = (s: RingState): number => s.recovery.retransSeqs[s.recovery.retransFirst]!;

function updateAru(s: RingState, token: OrfToken): void {
  if (!seqLt(s.aru, token.aru) && token.aruAddr !== s.me && token.aruAddr !== 0) return;
  token.aru = s.aru;
  token.aruAddr = token.aru === token.seq ? 0 : s.me;
}

/** This node holds the ring's aru down for too long (totem.md 4.13). The token is not forwarded. */
function declareFailed(s: RingState): void {
  sendRest(s, false); // it has numbers
  s.membership.failedToReceive = true;
  addFailed(s, [s.me]);
  s.observer.report({ kind: 'failedToReceive' });
  enterGather(s, GatherReason.FAILED_TO_RECEIVE);
}

/** The end of recovery (totem.md 4.7). */
function advanceRecovery(s: RingState, token: OrfToken): void {
  if (!s.recovery.allSent) {
    if (token.retransFlg === 0) {
      token.retransFlg = 1;
      s.recovery.setRetransFlg = true;
    }
  } else if (token.retransFlg === 1 && s.recovery.setRetransFlg) {
    token.retransFlg = 0;
    s.recovery.setRetransFlg = false;
  }
  s.recovery.retransFlgCount = token.retransFlg === 0 ? s.recovery.retransFlgCount + 1 : 0;
  if (s.recovery.retransFlgCount === 2) s.recovery.installSeq = token.seq;
  if (s.recovery.retransFlgCount >= 2 && s.old.receivedFlg === 0 && seqLte(s.recovery.installSeq, s.aru)) {
    s.old.receivedFlg = 1;
    s.membership.deliverMemb = s.membership.transMemb;
  }
  const complete = s.recovery.retransFlgCount >= 3 && seqLte(s.recovery.installSeq, token.aru);
  s.recovery.rotationCount = complete ? s.recovery.rotationCount + 1 : 0;
  if (s.recovery.rotationCount >= 2) enterOperational(s);
}

/** The representative's initial ORF token (totem.md 4.6). It is not processed by its creator (totem.md trap 20). */
export function startRing(s: RingState): void {
  s.originated = true;
  const token = s.token;
  token.seq = 0;
  token.tokenSeq = 0;
  token.aru = 0xffffffff;
  token.aruAddr = s.me;
  token.ringRep = s.ring.rep;
  token.ringSeq = s.ring.seq;
  token.backlog = 0;
  token.fcc = 0;
  s.recovery.setRetransFlg = !s.recovery.allSent;
  token.retransFlg = s.recovery.setRetransFlg ? 1 : 0;
  token.rtrCount = 0;
  const at = s.nextTokenBuffer();
  s.storeToken(at, encodeOrfToken(s.memory.view, at, s.me, token));
  sendOrfToken(s);
  s.pace.passed(s.nowMs, 0, false);
  armTokenTimers(s);
}
