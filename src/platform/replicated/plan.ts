import { encodeMessagePack } from '../../client/message-pack.ts';
import type { Exchange, StateMessage } from './exchange.ts';
import { compareEpochs, type Entry, type Epoch, type Have, sameEpoch } from './messages.ts';
import { byNode, nodeOf, PROTOCOL } from './names.ts';

const sameState = (a: Have, b: Have): boolean =>
  sameEpoch(a.epoch, b.epoch) && a.length === b.length && a.chain === b.chain;

const nodeCount = (members: Iterable<string>): number => new Set([...members].map(nodeOf)).size;

/** An epoch as all its members agree on it: from the same states in the same order each of them makes the same one. */
export class Plan {
  /** Lengths that the members with the whole state have acknowledged. */
  readonly acks = new Map<string, number>();

  private constructor(
    readonly epoch: Epoch,
    readonly members: readonly string[],
    /** Lives of the members. */
    private readonly lives: ReadonlyMap<string, string>,
    /** Who hands its state to the others. */
    readonly source: string,
    /** Who has the whole state: at the beginning those with the source's, then everybody who sent `ready`. */
    readonly full: Set<string>,
    /** Of each other part that acted by itself one member, which hands over that part's state to be merged. */
    readonly mergers: readonly string[],
    private readonly nodesMin: number,
  ) {}

  /** `null`: not all have sent enough, or they may not go on. */
  static of(exchange: Exchange, quorum: boolean, ring: { readonly seq: number; readonly rep: number }): Plan | null {
    const { participants, states } = exchange;
    if (participants.length === 0 || exchange.missing().length > 0) return null;
    const all = participants.map((member): [string, StateMessage] => [member, states.get(member)!]);
    const holders = all.filter(([, { have }]) => have.epoch !== null);
    const nodesMin = quorum ? Math.max(...all.map(([, { nodesMin }]) => nodesMin)) : 1;
    const leftOut = exchange.members.filter((member) => !participants.includes(member));
    if (quorum && !mayBegin(all, holders, nodesMin, leftOut)) return null;
    const source = best(holders.length > 0 ? holders : all, quorum);
    const { have } = states.get(source)!;
    const full = all.filter(([, state]) => sameState(state.have, have)).map(([member]) => member);
    const number = Math.max(...all.map(([, { numberSeen }]) => numberSeen)) + 1;
    const lives = new Map(all.map(([member, { life }]) => [member, life]));
    const epoch = { ringSeq: ring.seq, ringRep: ring.rep, number };
    const mergers = quorum ? [] : representatives(holders, have);
    return new Plan(epoch, participants, lives, source, new Set(full), mergers, nodesMin);
  }

  /** What all have acknowledged. */
  agreedLength(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const member of this.full) least = Math.min(least, this.acks.get(member) ?? -1);
    return least;
  }

  /** Enough nodes have the state: what they agree on cannot get lost with fewer of them. */
  get mayApply(): boolean {
    return nodeCount(this.full) >= this.nodesMin;
  }

  /** Whether another process of the same node is a member. */
  hasOtherOf(self: string): boolean {
    return this.members.some((member) => member !== self && nodeOf(member) === nodeOf(self));
  }

  /** One of those that have not acknowledged so much. */
  slowest(length: number, self: string): string | undefined {
    return [...this.full].find((member) => member !== self && (this.acks.get(member) ?? -1) < length);
  }

  viewEntry(): Entry {
    const members = this.members.map((member) => ({ member, life: this.lives.get(member)! }));
    const { number, ringSeq } = this.epoch;
    return { kind: 'view', from: PROTOCOL, seq: number, ringSeq, payload: encodeMessagePack(members) };
  }
}

/**
 * All are quorate in this ring, and so many nodes have the state that one of them has the newest; or one knows that it has it; or every node
 * is here; or nobody has any, and it begins. A node of which a process is left out for now is not here: that one may have the newest.
 */
function mayBegin(
  all: readonly (readonly [string, StateMessage])[],
  holders: readonly (readonly [string, StateMessage])[],
  nodesMin: number,
  leftOut: readonly string[],
): boolean {
  if (all.some(([, { quorate }]) => !quorate)) return false;
  const members = all.map(([member]) => member);
  if (nodeCount(members) < nodesMin) return false;
  if (holders.some(([, { have }]) => have.newest)) return true;
  const away = leftOut.map(nodeOf);
  const here = nodeCount(members.filter((member) => !away.includes(nodeOf(member))));
  const nodesAll = Math.max(...all.map(([, state]) => state.nodesAll));
  const sure = holders.filter(([, { have }]) => !have.stale).map(([member]) => member);
  if (holders.length === 0) return here >= nodesMin;
  return here >= nodesAll || nodeCount(sure) >= nodesMin;
}

/** The member whose state is the newest. Without quorum parts may have gone on side by side: the one with more members counts then. */
function best(holders: readonly (readonly [string, StateMessage])[], quorum: boolean): string {
  const size = ({ have }: StateMessage): number =>
    holders.filter(([, other]) => sameEpoch(other.have.epoch, have.epoch)).length;
  const [first] = [...holders].sort(
    ([a, x], [b, y]) =>
      (quorum ? 0 : size(y) - size(x)) ||
      compareEpochs(y.have.epoch, x.have.epoch) ||
      y.have.length - x.have.length ||
      byNode(a, b),
  );
  return first![0];
}

/** Of each other part the member with the longest order: it has everything that was applied there, if not as a part of its state. */
function representatives(holders: readonly (readonly [string, StateMessage])[], winner: Have): string[] {
  const parts: (readonly [string, StateMessage])[] = [];
  const longestFirst = [...holders].sort(([a, x], [b, y]) => y.have.length - x.have.length || byNode(a, b));
  for (const [member, state] of longestFirst) {
    if (sameEpoch(state.have.epoch, winner.epoch)) continue;
    if (!parts.some(([, other]) => sameEpoch(other.have.epoch, state.have.epoch))) parts.push([member, state]);
  }
  return parts.map(([member]) => member);
}
