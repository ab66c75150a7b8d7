import { Heuristics, ReplyError, TieBreakerMode, Vote } from '../ids.ts';
import { type QnetNode, type QnetRingId, type QnetTieBreaker, sameQnetRing } from '../messages.ts';
import type { RulePorts, Rules, TimerVerdict, Voter, VoteVerdict } from './rules.ts';

const RANK: Readonly<Record<number, number>> = {
  [Heuristics.FAIL]: 0,
  [Heuristics.UNDEFINED]: 1,
  [Heuristics.PASS]: 2,
};
const rank = (heuristics: number): number => RANK[heuristics] ?? 1;

/** `2nodelms`: last man standing for two nodes. */
export class TwoNodeLmsRules<V extends Voter> implements Rules<V> {
  private readonly last = new Map<V, number>();

  constructor(private readonly ports: RulePorts<V>) {}

  joined(): void {}

  configured(_voter: V, nodes: readonly QnetNode[]): VoteVerdict {
    if (nodes.length === 2) return { vote: Vote.NO_CHANGE };
    this.ports.log('info', `algo-2nodelms: the cluster does not have 2 configured nodes, it has ${nodes.length}`);
    return { error: ReplyError.UNSUPPORTED_ALGORITHM };
  }

  membership(voter: V, ringId: QnetRingId, nodes: readonly QnetNode[], heuristics: number): VoteVerdict {
    // Quorum does not move from a node that has it to one that comes. That NACK is not noted: it has not voted yet.
    if (!this.last.has(voter) && this.anotherIsActive(ringId)) return { vote: Vote.NACK };
    const vote = nodes.length === 2 ? Vote.ACK : this.alone(voter, heuristics);
    this.last.set(voter, vote);
    return { vote };
  }

  private anotherIsActive(ringId: QnetRingId): boolean {
    return this.ports
      .voters()
      .some((other) => !sameQnetRing(ringId, other.ringId) && this.last.get(other) === Vote.ACK);
  }

  /** It sees nobody else of the ring: who is connected here? */
  private alone(voter: V, heuristics: number): number {
    const voters = this.ports.voters();
    if (voters.length === 1) return Vote.ACK;
    const other = voters.findLast((candidate) => candidate !== voter);
    const ranks = rank(heuristics) - rank(other?.heuristics ?? Heuristics.UNDEFINED);
    if (ranks !== 0) return ranks > 0 ? Vote.ACK : Vote.NACK;
    const ids = voters.map(({ nodeId }) => nodeId);
    return voter.nodeId === preferred(voter.tieBreaker, ids) ? Vote.ACK : Vote.NACK;
  }

  quorum(): VoteVerdict {
    return { vote: Vote.NO_CHANGE };
  }
  askedForVote(voter: V): VoteVerdict {
    return { vote: this.last.get(voter) ?? Vote.ASK_LATER };
  }
  voteInfoReplied(): void {}
  heuristics(): VoteVerdict {
    this.ports.log('info', 'algo-2nodelms: heuristics change is not supported.');
    return { vote: Vote.NO_CHANGE };
  }
  timer(): TimerVerdict {
    return { vote: null, again: false };
  }
  left(voter: V): void {
    this.last.delete(voter);
  }
}

/** The node that a tie breaker names among some. */
export function preferred({ mode, nodeId }: QnetTieBreaker, ids: readonly number[]): number {
  if (mode === TieBreakerMode.NODE_ID) return nodeId;
  return ids.reduce((best, id) => ((mode === TieBreakerMode.LOWEST ? id < best : id > best) ? id : best), ids[0] ?? 0);
}
