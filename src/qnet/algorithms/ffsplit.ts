import { Heuristics, ReplyError, Vote } from '../ids.ts';
import { hasNode, nodesKey } from '../members.ts';
import { type QnetNode, type QnetRingId, sameQnetRing } from '../messages.ts';
import type { RulePorts, Rules, TimerVerdict, Voter, VoteVerdict } from './rules.ts';
import { preferred } from './two-node-lms.ts';

type Step = 'waiting' | 'sendingNacks' | 'sendingAcks';

/** A voter's part as it is judged: of the one that reports, what it just reported. */
interface View<V> {
  readonly voter: V;
  readonly configuration: readonly QnetNode[];
  readonly membership: readonly QnetNode[];
  readonly ringId: QnetRingId;
  readonly heuristics: number;
}

interface Sending {
  /** The vote that it gets and has not confirmed; `null`: none. */
  vote: number | null;
  /** That vote is on its way: not one of an earlier decision, whose confirmation may still come. */
  sent: boolean;
  sequence: number;
}

/**
 * `ffsplit`: of two halves one gets the vote, and it gets it only after all others have confirmed that they have none. Sent as VOTE_INFO:
 * the reply to a list says that nothing changes.
 */
export class FfsplitRules<V extends Voter> implements Rules<V> {
  private step: Step = 'waiting';
  /** The part that got the vote last. */
  private active: readonly QnetNode[] = [];
  private readonly sending = new Map<V, Sending>();

  constructor(private readonly ports: RulePorts<V>) {}

  joined(voter: V): void {
    this.sending.set(voter, { vote: null, sent: false, sequence: 0 });
  }

  configured(voter: V, nodes: readonly QnetNode[], initial: boolean): VoteVerdict {
    if (!hasNode(nodes, voter.nodeId)) return { error: ReplyError.INVALID_CONFIG_NODE_LIST };
    if (initial || voter.membership.length === 0) return { vote: Vote.ASK_LATER };
    return { vote: this.decide({ ...viewOf(voter), configuration: nodes }, false) };
  }

  membership(voter: V, ringId: QnetRingId, nodes: readonly QnetNode[], heuristics: number): VoteVerdict {
    if (!hasNode(nodes, voter.nodeId)) return { error: ReplyError.INVALID_MEMBERSHIP_NODE_LIST };
    if (voter.configuration.length === 0) return { vote: Vote.ASK_LATER };
    return { vote: this.decide({ ...viewOf(voter), membership: nodes, ringId, heuristics }, false) };
  }

  quorum(): VoteVerdict {
    return { vote: Vote.NO_CHANGE };
  }

  askedForVote(): VoteVerdict {
    return { error: ReplyError.UNSUPPORTED_ALGORITHM_MESSAGE };
  }

  heuristics(voter: V, heuristics: number): VoteVerdict {
    if (voter.configuration.length === 0 || voter.membership.length === 0) return { vote: Vote.ASK_LATER };
    return { vote: this.decide({ ...viewOf(voter), heuristics }, false) };
  }

  timer(): TimerVerdict {
    return { vote: null, again: false };
  }

  left(voter: V, serverEnds: boolean): void {
    if (!serverEnds) this.decide(viewOf(voter), true);
    this.sending.delete(voter);
  }

  voteInfoReplied(voter: V, sequence: number): void {
    const sending = this.sending.get(voter);
    if (sending === undefined || !sending.sent || sending.sequence !== sequence) return;
    sending.vote = null;
    const views = this.ports.voters().map(viewOf);
    if (this.step === 'sendingNacks' && !this.isPending(Vote.NACK)) {
      this.ports.log('debug', 'ffsplit: all NACK votes sent');
      this.sendAcks(views);
    } else if (this.step === 'sendingAcks' && !this.isPending(Vote.ACK)) {
      this.ports.log('debug', 'ffsplit: all ACK votes sent');
      this.step = 'waiting';
    }
  }

  private decide(reported: View<V>, leaves: boolean): number {
    const all = this.ports.voters().map((voter) => (voter === reported.voter ? reported : viewOf(voter)));
    const views = leaves ? all.filter((view) => view !== reported) : all;
    this.step = 'waiting';
    if (!isStable(views)) {
      this.ports.log('debug', 'ffsplit: membership is not yet stable');
      return Vote.WAIT_FOR_REPLY;
    }
    const selected = this.select(views);
    this.ports.log('debug', `ffsplit: ${describePart(selected)}`, 'ffsplit');
    this.active = selected ?? [];
    for (const { voter } of all) {
      const sending = this.sending.get(voter);
      if (sending === undefined) continue;
      sending.sent = false;
      if (leaves && voter === reported.voter) sending.vote = null;
      else sending.vote = selected !== null && hasNode(selected, voter.nodeId) ? Vote.ACK : Vote.NACK;
    }
    this.step = 'sendingNacks';
    if (this.send(views, Vote.NACK) === 0) this.sendAcks(views);
    return Vote.NO_CHANGE;
  }

  private sendAcks(views: readonly View<V>[]): void {
    this.step = this.send(views, Vote.ACK) === 0 ? 'waiting' : 'sendingAcks';
  }

  private send(views: readonly View<V>[], vote: number): number {
    let sent = 0;
    for (const { voter, ringId } of views) {
      const sending = this.sending.get(voter);
      if (sending?.vote !== vote) continue;
      sending.sequence += 1;
      sending.sent = true;
      sent += 1;
      this.ports.sendVote(voter, sending.sequence, ringId, vote);
    }
    return sent;
  }

  private isPending(vote: number): boolean {
    return [...this.sending.values()].some((sending) => sending.vote === vote);
  }

  /** The members of the part that gets the vote; `null`: none can be quorate. */
  private select(views: readonly View<V>[]): readonly QnetNode[] | null {
    const keeps = this.ports.voters().every(({ keepsActivePartition }) => keepsActivePartition);
    const byNode = viewsByNode(views);
    let best: View<V> | null = null;
    let bestPoints = NO_POINTS;
    for (const view of views) {
      const half = view.configuration.length / 2;
      if (view.membership.length < half) continue;
      const mine = points(view, byNode);
      if (view.membership.length === half && !this.isPreferred(view, mine, best, bestPoints, keeps)) continue;
      best = view;
      bestPoints = mine;
    }
    return best?.membership ?? null;
  }

  /** Whether one half is to have the vote rather than the best part so far. */
  private isPreferred(view: View<V>, mine: Points, best: View<V> | null, its: Points, keeps: boolean): boolean {
    if (mine.score !== its.score) return mine.score > its.score;
    if (mine.connected !== its.connected) return mine.connected > its.connected;
    if (keeps && best !== null) {
      const [was, bestWas] = [view, best].map(({ voter }) => hasNode(this.active, voter.nodeId));
      if (was !== bestWas) return was === true;
    }
    const ids = view.configuration.map(({ nodeId }) => nodeId);
    return hasNode(view.membership, preferred(view.voter.tieBreaker, ids));
  }
}

function viewOf<V extends Voter>(voter: V): View<V> {
  const { configuration, membership, ringId, heuristics } = voter;
  return { voter, configuration, membership, ringId, heuristics };
}

const viewsByNode = <V extends Voter>(views: readonly View<V>[]): ReadonlyMap<number, View<V>> =>
  new Map(views.map((view) => [view.voter.nodeId, view]));

interface Points {
  readonly connected: number;
  readonly score: number;
}
const NO_POINTS: Points = { connected: 0, score: 0 };

/** Connected members of a part; a point for each, one more when its heuristics pass, one less when they fail. */
function points<V extends Voter>(view: View<V>, byNode: ReadonlyMap<number, View<V>>): Points {
  let [connected, score] = [0, 0];
  for (const { nodeId } of view.membership) {
    const other = byNode.get(nodeId);
    if (other === undefined) continue;
    connected += 1;
    score += other.heuristics === Heuristics.PASS ? 2 : other.heuristics === Heuristics.FAIL ? 0 : 1;
  }
  return { connected, score };
}

/** All have the same configuration, and those of one part the same ring and the same members. (Everybody is a member of his own part.) */
function isStable<V extends Voter>(views: readonly View<V>[]): boolean {
  const byNode = viewsByNode(views);
  const [first] = views;
  return views.every(
    (one) =>
      nodesKey(one.configuration) === nodesKey(first!.configuration) &&
      one.membership.every(({ nodeId }) => {
        const other = byNode.get(nodeId);
        if (other === undefined) return true;
        return sameQnetRing(one.ringId, other.ringId) && nodesKey(one.membership) === nodesKey(other.membership);
      }),
  );
}

const describePart = (nodes: readonly QnetNode[] | null): string =>
  nodes === null
    ? 'no part can be quorate'
    : `the vote goes to the part of nodes ${nodes.map(({ nodeId }) => nodeId).join(', ')}`;
