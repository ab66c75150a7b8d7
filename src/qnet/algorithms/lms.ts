import { Heuristics, Vote } from '../ids.ts';
import { hasNode } from '../members.ts';
import { type QnetNode, type QnetRingId, qnetRingText, sameQnetRing } from '../messages.ts';
import type { RulePorts, Rules, TimerVerdict, Voter, VoteVerdict } from './rules.ts';
import { preferred } from './two-node-lms.ts';

/** The connected nodes of one ring. */
interface Part {
  readonly ringId: QnetRingId;
  nodes: number;
  /** A point for each node, one more when its heuristics pass, one less when they fail. */
  score: number;
}

/** `lms`: last man standing. Each part is a ring id; the vote goes to the part with most points, then most nodes, then the tie breaker. */
export class LmsRules<V extends Voter> implements Rules<V> {
  private readonly last = new Map<V, number>();

  constructor(private readonly ports: RulePorts<V>) {}

  joined(): void {}
  configured(_voter: V, nodes: readonly QnetNode[]): VoteVerdict {
    this.ports.log('debug', `algo-lms: the configuration has ${nodes.length} nodes`);
    return { vote: Vote.NO_CHANGE };
  }
  membership(voter: V, ringId: QnetRingId): VoteVerdict {
    return { vote: this.decide(voter, ringId) };
  }
  quorum(voter: V): VoteVerdict {
    return { vote: this.decide(voter, voter.ringId) };
  }
  askedForVote(voter: V): VoteVerdict {
    return { vote: this.decide(voter, voter.ringId) };
  }
  voteInfoReplied(): void {}
  heuristics(): VoteVerdict {
    this.ports.log('info', 'algo-lms: heuristics change is not supported.');
    return { vote: Vote.NO_CHANGE };
  }
  timer(voter: V): TimerVerdict {
    const vote = this.decide(voter, voter.ringId);
    const decided = vote === Vote.ACK || vote === Vote.NACK;
    return { vote: decided ? vote : null, again: vote === Vote.WAIT_FOR_REPLY };
  }
  left(voter: V): void {
    this.ports.setTimer(voter, false);
    this.last.delete(voter);
  }

  private decide(voter: V, ringId: QnetRingId): number {
    this.ports.setTimer(voter, false);
    const parts = this.parts();
    if (!this.ringsAgree(voter, ringId) || parts.length === 0) {
      this.ports.log(
        'debug',
        `algo-lms: node ${voter.nodeId}: ring ${qnetRingText(ringId)} is not that of all, waiting`,
      );
      this.ports.setTimer(voter, true);
      return this.note(voter, Vote.WAIT_FOR_REPLY);
    }
    // The ring counts its own votes.
    if (parts.length === 1) return this.note(voter, Vote.ACK);
    // Not noted: it has not voted yet.
    if (!this.last.has(voter) && this.anotherIsActive(ringId)) return Vote.NACK;
    const winner = leader(parts, ({ score }) => score) ?? leader(parts, ({ nodes }) => nodes);
    const wins = winner === null ? this.breaksTie(voter, ringId) : sameQnetRing(winner.ringId, ringId);
    return this.note(voter, wins ? Vote.ACK : Vote.NACK);
  }

  private note(voter: V, vote: number): number {
    this.last.set(voter, vote);
    return vote;
  }

  /** Whether all that are in one part, by either's view, have the same ring id: if not, somebody's view is not here yet. */
  private ringsAgree(voter: V, ringId: QnetRingId): boolean {
    return this.ports.voters().every((other) => {
      if (other === voter) return true;
      const together = hasNode(voter.membership, other.nodeId) || hasNode(other.membership, voter.nodeId);
      return !together || sameQnetRing(ringId, other.ringId);
    });
  }

  private parts(): readonly Part[] {
    const parts: Part[] = [];
    for (const { ringId, heuristics } of this.ports.voters()) {
      if (ringId.seq === 0n) continue; // has not said yet
      let part = parts.find((candidate) => sameQnetRing(candidate.ringId, ringId));
      if (part === undefined) {
        part = { ringId, nodes: 0, score: 0 };
        parts.push(part);
      }
      part.nodes += 1;
      part.score += heuristics === Heuristics.PASS ? 2 : heuristics === Heuristics.FAIL ? 0 : 1;
    }
    return parts;
  }

  private anotherIsActive(ringId: QnetRingId): boolean {
    return this.ports
      .voters()
      .some((other) => !sameQnetRing(ringId, other.ringId) && this.last.get(other) === Vote.ACK);
  }

  private breaksTie(voter: V, ringId: QnetRingId): boolean {
    const voters = this.ports.voters();
    const chosen = preferred(
      voter.tieBreaker,
      voters.map(({ nodeId }) => nodeId),
    );
    if (voter.nodeId === chosen) return true;
    const other = voters.find(({ nodeId }) => nodeId === chosen);
    return other !== undefined && sameQnetRing(other.ringId, ringId);
  }
}

/** The part that has more of something than all others. */
function leader(parts: readonly Part[], of: (part: Part) => number): Part | null {
  const most = Math.max(...parts.map(of));
  const leaders = parts.filter((part) => of(part) === most);
  return leaders.length === 1 ? leaders[0]! : null;
}
