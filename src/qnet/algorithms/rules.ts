import type { LogLevel } from '../../lib/log.ts';
import type { QnetNode, QnetRingId, QnetTieBreaker } from '../messages.ts';

/** What is known of a connected node of a cluster. Its lists and its ring are those of before, while the algorithm judges new ones. */
export interface Voter {
  readonly nodeId: number;
  readonly tieBreaker: QnetTieBreaker;
  readonly keepsActivePartition: boolean;
  readonly configuration: readonly QnetNode[];
  readonly membership: readonly QnetNode[];
  readonly ringId: QnetRingId;
  /** The last result, of whatever kind. */
  readonly heuristics: number;
}

/** What an algorithm can do besides returning its verdict. */
export interface RulePorts<V extends Voter> {
  /** The connected nodes of the cluster, in the order in which they came. */
  voters(): readonly V[];
  /** Sends a VOTE_INFO. */
  sendVote(voter: V, sequence: number, ringId: QnetRingId, vote: number): void;
  /** Has `timer` called for the node once, a quarter of its heartbeat interval from now; or not any more. */
  setTimer(voter: V, on: boolean): void;
  log(level: LogLevel, message: string, kind?: string): void;
}

/** A vote (`Vote`), or the error (`ReplyError`) that the client gets. */
export type VoteVerdict =
  | { readonly vote: number; readonly error?: undefined }
  | { readonly error: number; readonly vote?: undefined };

export interface TimerVerdict {
  /** `null`: none is sent. */
  readonly vote: number | null;
  readonly again: boolean;
}

/** A decision algorithm, for one cluster (qnet.md 5). */
export interface Rules<V extends Voter> {
  joined(voter: V): void;
  configured(voter: V, nodes: readonly QnetNode[], initial: boolean): VoteVerdict;
  membership(voter: V, ringId: QnetRingId, nodes: readonly QnetNode[], heuristics: number): VoteVerdict;
  quorum(voter: V): VoteVerdict;
  askedForVote(voter: V): VoteVerdict;
  voteInfoReplied(voter: V, sequence: number): void;
  heuristics(voter: V, heuristics: number): VoteVerdict;
  timer(voter: V): TimerVerdict;
  /** The voter is still among the others. `serverEnds`: nobody gets a vote any more. */
  left(voter: V, serverEnds: boolean): void;
}
