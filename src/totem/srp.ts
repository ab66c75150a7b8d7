import { assert } from '../lib/assert.ts';
import { GatherReason } from '../lib/gather-reason.ts';
import type { RingId } from '../lib/ring-id.ts';
import { ringSeqNewer } from '../lib/ring-seq.ts';
import { receiveCommitToken, resumeCommit } from './commit.ts';
import { memberDied } from './deaths.ts';
import { TotemDrop, type TotemDropReason } from './drop-reason.ts';
import type { FramePool } from './frame-pool.ts';
import { FrameClass, type SrpState } from './interface.ts';
import { sendLeave } from './joins.ts';
import { receiveJoin, receiveMergeDetect } from './membership.ts';
import { load, maxMessages, receiveOrfToken } from './orf.ts';
import { receiveMcast } from './receive-mcast.ts';
import { requestAhead } from './reservation.ts';
import type { SendQueue } from './send-queue.ts';
import type { SrpUser } from './srp-user.ts';
import { RingState, type SrpOptions } from './state.ts';
import { Stat } from './statistics.ts';
import { memberSilent, receiveSilence } from './suspicion.ts';
import { forgiveOwnPause, retransmitToken, timerExpired, tokenLost } from './timeouts.ts';
import type { SrpTimings } from './timings.ts';
import { startPeriodicTimers } from './token-timers.ts';
import { enterGather } from './transitions.ts';
import { checkHeader, FrameType, guessForeignSender, HEADER, isLittleEndian } from './wire/header.ts';
import { decodeHoldCancel, encodeHoldCancel } from './wire/hold-cancel.ts';

export type { SrpOptions } from './state.ts';

/** Timers that one `tick` may run; the rest comes with the next. */
const TIMERS_PER_TICK = 64;
/** Frames of other generations are reported at most this often. */
const STRANGER_REPORT_MS = 60_000;

/**
 * The Totem single-ring protocol (totem.md 4): membership, total order, recovery. A pure core: frames, time and the
 * results of the disk come in, frames, messages and configuration changes go out through the interfaces it was given.
 * Nothing throws on what a peer sends; nothing is allocated for a frame in steady state.
 */
export class TotemSrp {
  /** The protocol's variables: for the layers of this folder, for tests and for dumps; nobody else writes them. */
  readonly state: RingState;

  constructor(options: SrpOptions, user: SrpUser) {
    this.state = new RingState(options, user);
    startPeriodicTimers(this.state);
  }

  /** The time of the events that follow, monotonic milliseconds. Call it when waking up and before `tick`. */
  setNow(nowMs: number): void {
    if (nowMs > this.state.nowMs) this.state.nowMs = nowMs;
  }

  /**
   * A datagram, lying in the frame memory outside of the core's region. Returns why it had no effect, or `TotemDrop.NONE`;
   * every result is counted.
   */
  receive(offset: number, length: number): TotemDropReason {
    const s = this.state;
    assert(
      offset >= 0 && length >= 0 && offset + length <= s.memory.bytes.length && !s.pool.contains(offset),
      'a datagram lies in the frame memory, outside of the region of the core',
    );
    if (!s.draining) freeLimbo(s);
    if (s.left) return s.statistics.drop(TotemDrop.WRONG_STATE);
    const reason = dispatch(s, offset, length);
    if (reason === TotemDrop.NONE) return reason;
    if (reason === TotemDrop.BAD_MAGIC || reason === TotemDrop.BAD_VERSION || reason === TotemDrop.BAD_RING_SEQ)
      reportStranger(s, reason, offset);
    return s.statistics.drop(reason);
  }

  /** Runs the timers that are due. */
  tick(nowMs: number): void {
    const s = this.state;
    this.setNow(nowMs);
    if (s.left) return;
    forgiveOwnPause(s);
    for (let i = 0; i < TIMERS_PER_TICK; i++) {
      freeLimbo(s);
      const timer = s.timers.takeDue();
      if (timer < 0) return;
      timerExpired(s, timer as Exclude<typeof timer, -1>);
    }
  }

  /** When `tick` is due next, in the clock of `setNow`; `Infinity` after `leave`. */
  nextDeadlineMs(): number {
    return this.state.left ? Number.POSITIVE_INFINITY : this.state.timers.next();
  }

  /** From when on `tick` has something to do, if the caller is awake anyway; not later than `nextDeadlineMs`. */
  ripeMs(): number {
    return this.state.left ? Number.POSITIVE_INFINITY : this.state.timers.nextRipe();
  }

  /** The transport reports its interface, all links of it, up or down (totem.md 4.2, 6.4): the first one starts the ring. */
  interfaceChanged(): void {
    freeLimbo(this.state);
    requestAhead(this.state, this.state.ringSeqMax);
    enterGather(this.state, GatherReason.INTERFACE_CHANGE);
  }

  /** The transport has proof that the process of `nodeId` has ended: the others go on without it at once (deaths.ts). */
  memberDied(nodeId: number): void {
    freeLimbo(this.state);
    if (!this.state.left) memberDied(this.state, nodeId);
  }

  /** For so many milliseconds no link to `nodeId` has brought a reply; -1: it is heard again (suspicion.ts). */
  memberSilent(nodeId: number, silentMs: number): void {
    freeLimbo(this.state);
    if (!this.state.left) memberSilent(this.state, nodeId, silentMs);
  }

  /** Acts as if the token was lost: an operator's or the crypto layer's wish to re-form the ring. */
  forceGather(): void {
    freeLimbo(this.state);
    tokenLost(this.state, 'forced');
  }

  /** The numbers up to `upTo` are on disk. A commit that waited for it goes on. */
  ringSeqReserved(upTo: number): void {
    const s = this.state;
    freeLimbo(s);
    if (!ringSeqNewer(upTo, s.diskWait.reserved)) return;
    s.diskWait.reserved = upTo;
    if (!s.left) resumeCommit(s);
  }

  /** New timers hold from the next time that each is started. */
  setTimings(timings: SrpTimings): void {
    this.state.timings = timings;
  }

  /** Orderly shutdown (totem.md 4.12): one LEAVE, then the core is deaf and mute. */
  leave(): void {
    const s = this.state;
    freeLimbo(s);
    if (s.left) return;
    sendLeave(s);
    s.left = true;
  }

  /** Statistics for own copies of multicasts that the transport does not loop back. */
  noteOwnCopies(count: number): void {
    const statistics = this.state.statistics;
    statistics.set(Stat.mcast_rx, statistics.get(Stat.mcast_rx) + count);
  }

  /**
   * A local message was queued, or somebody waits for a token visit: an idle ring is woken (totem.md 4.10).
   * Cheap when the ring is not idle.
   */
  wakeRing(): void {
    if (this.state.held) cancelHold(this.state);
  }

  /** Local messages are there: a token that waits for them goes on when they fill a visit. */
  passToken(): void {
    if (!this.state.tokenWaits) return;
    freeLimbo(this.state);
    load(this.state);
  }

  /** The queue that new packets join. */
  get sendQueue(): SendQueue {
    return this.state.waitingTransAck ? this.state.transQueue : this.state.newQueue;
  }

  /** The most packets that one visit of the token takes along. */
  get visitPackets(): number {
    return maxMessages(this.state);
  }

  /** Packets are filled with up to `packetBytes` from now on. */
  sizeQueues(packetBytes: number): void {
    this.state.newQueue.sizeFor(packetBytes);
    this.state.transQueue.sizeFor(packetBytes);
  }

  /**
   * Queues a packet that lies in a slot of `pool`; the core owns the slot from now on. Everything but seq, this_seqno
   * and ring id of its MCAST header is filled in. `continues`: it begins in the middle of a message.
   */
  enqueue(queue: SendQueue, offset: number, length: number, continues: boolean): void {
    this.state.statistics.add(Stat.mcast_tx);
    queue.push(offset, length, continues);
  }

  /**
   * Synchronisation of the services is complete: application messages flow again (totem.md 5.5). Stock leaves what the
   * transitional queue still holds there until the next change; here it goes first. Only if it begins in the middle of a
   * message it must stay: the receivers keep the beginning in their transitional set.
   */
  endTransitional(): void {
    const s = this.state;
    s.waitingTransAck = false;
    if (!s.transQueue.headContinues) s.newQueue.takeOver(s.transQueue);
  }

  get pool(): FramePool {
    return this.state.pool;
  }

  get nodeId(): number {
    return this.state.me;
  }

  get ringId(): RingId {
    return this.state.ring;
  }

  get phase(): SrpState {
    return this.state.state;
  }

  /** Members of the last operational ring. */
  get members(): readonly number[] {
    return this.state.membership.memb;
  }
}

/** Another product or generation on this port, or a node at a ring sequence that this one cannot follow: worth a line now and then, and no garbage for each of its frames. */
function reportStranger(s: RingState, reason: TotemDropReason, at: number): void {
  if (s.nowMs < s.strangerReportMs) return;
  s.strangerReportMs = s.nowMs + STRANGER_REPORT_MS;
  const { view } = s.memory;
  s.observer.report({ kind: 'frameDropped', reason, detail: strangerDetail(view, reason, at) });
}

function strangerDetail(view: DataView, reason: TotemDropReason, at: number): string {
  if (reason === TotemDrop.BAD_MAGIC) return guessForeignSender(view, at);
  if (reason === TotemDrop.BAD_VERSION) return String(view.getUint8(at + HEADER.version));
  return String(view.getUint32(at + HEADER.nodeId, isLittleEndian(view, at)));
}

function dispatch(s: RingState, at: number, length: number): TotemDropReason {
  const view = s.memory.view;
  const bad = checkHeader(view, at, length);
  if (bad !== TotemDrop.NONE) {
    if (bad === TotemDrop.UNKNOWN_TYPE) s.statistics.add(Stat.rx_msg_dropped);
    return bad;
  }
  const littleEndian = isLittleEndian(view, at);
  switch (view.getUint8(at + HEADER.type)) {
    case FrameType.MCAST:
      return receiveMcast(s, at, length, littleEndian);
    case FrameType.ORF_TOKEN:
      return receiveOrfToken(s, at, length, littleEndian);
    case FrameType.MERGE_DETECT:
      return receiveMergeDetect(s, at, length, littleEndian);
    case FrameType.JOIN:
      return receiveJoin(s, at, length, littleEndian);
    case FrameType.COMMIT_TOKEN:
      return receiveCommitToken(s, at, length, littleEndian);
    case FrameType.SILENCE:
      return receiveSilence(s, at, length, littleEndian);
    default:
      return receiveHoldCancel(s, at, length, littleEndian);
  }
}

/** TOKEN_HOLD_CANCEL (totem.md 4.4, 4.10). */
function receiveHoldCancel(s: RingState, at: number, length: number, littleEndian: boolean): TotemDropReason {
  s.statistics.add(Stat.token_hold_cancel_rx);
  const bad = decodeHoldCancel(s.memory.view, at, length, littleEndian, s.holdCancel);
  if (bad !== TotemDrop.NONE) return bad;
  if (!s.isRing(s.holdCancel.ringRep, s.holdCancel.ringSeq)) return TotemDrop.FOREIGN_RING;
  s.unchanged = 0;
  if (s.isRep) retransmitToken(s);
  return TotemDrop.NONE;
}

function cancelHold(s: RingState): void {
  s.held = false;
  const at = s.nextControlBuffer();
  s.holdCancel.ringRep = s.ring.rep;
  s.holdCancel.ringSeq = s.ring.seq;
  const length = encodeHoldCancel(s.memory.view, at, s.me, s.holdCancel);
  s.statistics.add(Stat.token_hold_cancel_tx);
  s.network.multicast(at, length, FrameClass.FLUSH, 0);
}

/** Frees the slots that an earlier event had handed to the network. */
function freeLimbo(s: RingState): void {
  if (s.limbo.length === 0) return;
  for (const offset of s.limbo) s.pool.free(offset);
  s.limbo.length = 0;
}
