import type { Icmap } from '../../config/icmap/index.ts';
import type { LogLevel } from '../../lib/log.ts';
import type { QuorumBasis, QuorumRule } from '../../lib/quorum-rule.ts';
import { type ExactRingId, NO_RING, type RingId } from '../../lib/ring-id.ts';
import { NodeFlag } from '../codec/votequorum.ts';
import { calculateQuorum, NO_TIE_BREAKER, type Tally, type TieBreaker, winsTie } from './quorum-math.ts';
import { type NodeInfo, NodeRecord, NodeRecords, QDEVICE_NODE_ID, RecordState } from './records.ts';

/** What the core reports to its user. */
export interface VotequorumOutput {
  /** Decision for the quorum service, and the quorum event for trackers. */
  decided(members: readonly number[], quorate: boolean, ringId: RingId, basis: QuorumBasis): void;
  /** The local node's expected votes changed: event for trackers. */
  expectedVotesChanged(): void;
  storeTrackingBarrier(expectedVotes: number): void;
  log(level: LogLevel, text: string): void;
  startWindowTimer(): void;
  stopWindowTimer(): void;
}

/**
 * Who has quorum: the records of the nodes, and the decision (services.md 7.5, 7.6). Everything here happens on delivery
 * of a message, in the order of the ring.
 */
export class VotequorumCore {
  readonly us: NodeRecord;
  readonly records: NodeRecords;
  quorum = 0;
  quorate = false;
  members: readonly number[] = [];
  previousMembers: readonly number[] = [];
  ringId: RingId = NO_RING;
  syncInProgress = false;
  /** Rule and votes of the last decision. */
  private rule: QuorumRule = 'votes';
  private total = 0;

  twoNode = false;
  waitForAll = false;
  waitForAllArmed = false;
  lastManStanding = false;
  tieBreaker: TieBreaker = NO_TIE_BREAKER;
  allowDownscale = false;
  expectedVotesBarrier = 0;
  /** `null`: expected votes are not tracked. */
  trackingBarrier: number | null = null;
  masterWins = false;
  private lowestNodeId: number | null = null;
  private highestNodeId: number | null = null;
  /** Node infos of this node that it has sent and not yet been delivered. */
  private ownInfosOnTheWay = 0;

  constructor(
    nodeId: number,
    private readonly cmap: Icmap,
    private readonly output: VotequorumOutput,
  ) {
    this.us = new NodeRecord(nodeId);
    this.us.state = RecordState.MEMBER;
    this.us.votes = 1;
    this.us.flags = NodeFlag.FIRST;
    this.records = new NodeRecords(this.us);
    cmap.setU32('runtime.votequorum.this_node_id', nodeId);
  }

  get device(): NodeRecord {
    return this.records.device;
  }

  setExpectedVotesBarrier(expectedVotes: number): void {
    this.expectedVotesBarrier = expectedVotes;
    this.cmap.setU32('runtime.votequorum.ev_barrier', expectedVotes);
  }

  setTrackingBarrier(expectedVotes: number): void {
    this.trackingBarrier = expectedVotes;
    this.cmap.setU32('runtime.votequorum.ev_tracking_barrier', expectedVotes);
  }

  setWaitForAllArmed(armed: boolean): void {
    this.waitForAllArmed = armed;
    this.us.set(NodeFlag.WFA_STATUS, armed);
    this.cmap.setU8('runtime.votequorum.wait_for_all_status', armed ? 1 : 0);
  }

  setMasterWins(on: boolean): void {
    this.masterWins = on;
    this.cmap.setU8('runtime.votequorum.qdevice_master_wins', on ? 1 : 0);
  }

  // ---- computation ----

  calculate(allowDecrease: boolean, expectedMax: number, allowDownscale = this.allowDownscale): Tally {
    const input = {
      members: this.records.members(),
      castDeviceVotes: this.us.has(NodeFlag.QDEVICE_CAST_VOTE) ? this.device.votes : null,
      twoNode: this.twoNode,
      allowDownscale,
      expectedVotesBarrier: this.expectedVotesBarrier,
      currentQuorum: this.quorum,
    };
    return calculateQuorum(input, allowDecrease, expectedMax);
  }

  recalculate(allowDecrease: boolean, byNodes: boolean): void {
    const members = this.records.members();
    let votes = this.device.votes;
    let count = this.device.votes !== 0 ? 1 : 0;
    for (const record of members) {
      votes += record.votes;
      count += 1;
    }
    if (!byNodes) count = 0;
    if (votes > this.us.expectedVotes) {
      this.us.expectedVotes = votes;
      this.output.expectedVotesChanged();
    }
    if (this.trackingBarrier !== null && this.us.expectedVotes > this.trackingBarrier) {
      this.setTrackingBarrier(this.us.expectedVotes);
      this.output.storeTrackingBarrier(this.us.expectedVotes);
    }
    const { quorum, total } = this.calculate(allowDecrease, count);
    this.quorum = quorum;
    this.setMembersExpectedVotes(count);
    this.decide(total);
  }

  /** 0 changes nothing. */
  setMembersExpectedVotes(expectedVotes: number): void {
    if (expectedVotes === 0) return;
    for (const record of this.records.members()) record.expectedVotes = expectedVotes;
  }

  get basis(): QuorumBasis {
    const { rule, total: votes, quorum: needed } = this;
    return { rule, votes, needed, expected: this.us.expectedVotes };
  }

  private decide(total: number): void {
    this.total = total;
    if (this.waitForAll && this.waitForAllArmed) {
      if (total !== this.us.expectedVotes) {
        const votes = `Current votes: ${total} expected_votes: ${this.us.expectedVotes}`;
        this.output.log('notice', `Waiting for all cluster members. ${votes}`);
        this.quorate = false;
        this.rule = 'wait_for_all';
        return;
      }
      this.setWaitForAllArmed(false);
    }
    const quorate = this.enoughVotes(total) || this.brokenTie(total) || this.masterDecides();
    const changed = quorate !== this.quorate;
    this.quorate = quorate;
    this.us.set(NodeFlag.QUORATE, quorate);
    if (this.waitForAll) this.setWaitForAllArmed(!quorate);
    if (changed && !this.syncInProgress) this.output.decided(this.members, quorate, this.ringId, this.basis);
  }

  private enoughVotes(total: number): boolean {
    this.rule = this.twoNode && this.quorum === 1 ? 'two_node' : 'votes';
    if (total < this.quorum) return false;
    // This node counts as in stock, where the search begins with it, also when it is the last one and leaves.
    const ids = [this.us, ...this.records.members()].map((record) => record.nodeId);
    this.lowestNodeId = Math.min(...ids);
    this.highestNodeId = Math.max(...ids);
    this.cmap.setU32('runtime.votequorum.lowest_node_id', this.lowestNodeId);
    this.cmap.setU32('runtime.votequorum.highest_node_id', this.highestNodeId);
    return true;
  }

  /** Only in a split into halves, and only if the other part cannot have quorum by itself. */
  private brokenTie(total: number): boolean {
    if (this.tieBreaker.mode === 'none' || total !== Math.floor(this.us.expectedVotes / 2)) return false;
    if (this.previousMembers.length - this.members.length >= this.quorum) return false;
    this.rule = 'auto_tie_breaker';
    return winsTie(this.tieBreaker, {
      lowestNodeId: this.lowestNodeId,
      highestNodeId: this.highestNodeId,
      memberIds: this.records.members().map((record) => record.nodeId),
      members: this.members,
      previousMembers: this.previousMembers,
    });
  }

  private masterDecides(): boolean {
    const master = NodeFlag.QDEVICE_MASTER_WINS | NodeFlag.QDEVICE_CAST_VOTE;
    const wins = this.masterWins && this.records.members().some((record) => (record.flags & master) === master);
    if (wins) this.rule = 'quorum device (master wins)';
    return wins;
  }

  // ---- messages ----

  nodeInfo(info: NodeInfo, sender: number): void {
    if (info.nodeId === QDEVICE_NODE_ID) this.deviceInfo(info, sender);
    else this.memberInfo(info, sender);
  }

  /** A node info of this node is on its way round the ring. */
  ownInfoSent(): void {
    this.ownInfosOnTheWay++;
  }

  /** Whether this node has said something of itself since. */
  private ownInfoDelivered(): boolean {
    if (this.ownInfosOnTheWay > 0) this.ownInfosOnTheWay--;
    return this.ownInfosOnTheWay > 0;
  }

  private deviceInfo(info: NodeInfo, sender: number): void {
    const senderRecord = this.records.find(sender);
    if (senderRecord === undefined) return; // its own node info always precedes; a stranger's device does not count
    const oldVotes = this.device.votes;
    const senderKnows = !this.quorate && senderRecord.has(NodeFlag.QUORATE);
    this.device.votes = senderKnows ? info.votes : Math.max(oldVotes, info.votes);
    if (this.device.votes !== oldVotes) this.recalculate(false, false);
  }

  private memberInfo(info: NodeInfo, sender: number): void {
    const known = this.records.find(info.nodeId);
    const record = known ?? this.records.add(info.nodeId);
    const { votes, expectedVotes, flags, state } = record;
    // An earlier info does not undo what clients have done since. In stock, which has one thread, all that are on their way come at once.
    const outdated = record === this.us && sender === record.nodeId && this.ownInfoDelivered();
    if (!outdated) {
      record.flags = info.flags;
      record.votes = info.votes;
    }
    const leaving = record.has(NodeFlag.LEAVING);
    record.state = leaving ? RecordState.LEAVING : RecordState.MEMBER;
    const senderQuorate = record.has(NodeFlag.QUORATE);
    const adopts = !this.quorate && senderQuorate;
    if (adopts) this.us.expectedVotes = info.expectedVotes;
    const trusted = senderQuorate || this.trackingBarrier !== null;
    record.expectedVotes = trusted ? info.expectedVotes : this.us.expectedVotes;
    if (this.lastManStanding && record.votes > 1) {
      const text = 'Last Man Standing feature is supported only when all cluster nodes votes are set to 1.';
      this.output.log('warning', `${text} Disabling LMS.`);
      this.lastManStanding = false;
      this.output.stopWindowTimer();
    }
    const changed =
      votes !== record.votes ||
      expectedVotes !== record.expectedVotes ||
      flags !== record.flags ||
      state !== record.state;
    if (known === undefined || record === this.us || record.has(NodeFlag.FIRST) || changed) {
      this.recalculate(leaving || adopts, leaving);
    }
    if (this.waitForAll && !record.has(NodeFlag.WFA_STATUS) && record.has(NodeFlag.QUORATE)) {
      this.setWaitForAllArmed(false);
    }
  }

  reconfigureExpectedVotes(value: number): void {
    this.setMembersExpectedVotes(value);
    this.output.expectedVotesChanged();
    this.setExpectedVotesBarrier(value);
    if (this.trackingBarrier !== null) {
      this.us.expectedVotes = Math.max(this.us.expectedVotes, this.trackingBarrier);
    }
    this.recalculate(true, false);
  }

  reconfigureVotes(nodeId: number, value: number): void {
    const record = this.records.find(nodeId);
    if (record === undefined) return;
    record.votes = value;
    this.recalculate(true, false);
  }

  cancelWaitForAll(nodeId: number): void {
    this.setWaitForAllArmed(false);
    this.output.log('info', `wait_for_all_status reset by user on node ${nodeId}.`);
    this.recalculate(false, false);
  }

  // ---- sync ----

  syncInit(members: readonly number[], ringId: RingId): void {
    this.syncInProgress = true;
    if (members.length > 1) this.us.set(NodeFlag.FIRST, false);
    let left = false;
    for (const nodeId of this.members) {
      if (members.includes(nodeId)) continue;
      left = true;
      const record = this.records.find(nodeId);
      if (record !== undefined) record.state = RecordState.DEAD;
    }
    if (this.lastManStanding && this.windowOpens(members.length, left)) this.output.startWindowTimer();
    this.previousMembers = this.members;
    this.members = [...members];
    this.ringId = ringId;
  }

  private windowOpens(memberCount: number, left: boolean): boolean {
    if (memberCount >= this.quorum && left) return true;
    if (memberCount > this.quorum || this.tieBreaker.mode === 'none' || this.lowestNodeId === null) return false;
    return this.records.find(this.lowestNodeId)?.isMember === true;
  }

  syncActivate(): void {
    this.recalculate(false, false);
    this.output.decided(this.members, this.quorate, this.ringId, this.basis);
    this.syncInProgress = false;
  }

  windowExpired(): void {
    if (this.quorate) this.recalculate(true, true);
  }

  isCurrentRing({ rep, seq }: ExactRingId): boolean {
    return rep === this.ringId.rep && seq === BigInt(this.ringId.seq);
  }
}
