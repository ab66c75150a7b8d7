import type { QuorumRule } from './quorum-rule.ts';

export interface VotingNode {
  readonly nodeId: number;
  readonly votes: number;
}

/** The votes of a cluster at one moment, as one of its members counts them: all that decides about quorum now and after a failure. */
export interface VotesNow {
  readonly members: readonly VotingNode[];
  readonly quorate: boolean;
  readonly expectedVotes: number;
  readonly twoNode: boolean;
  readonly waitForAll: boolean;
  /** No quorum until all nodes have been seen at once. */
  readonly waitForAllArmed: boolean;
  readonly autoTieBreaker: boolean;
  /** `quorum.auto_tie_breaker_node`; `null`: not set. */
  readonly tieBreakerNode: string | null;
  readonly lastManStanding: boolean;
  readonly allowDownscale: boolean;
  /** Votes that the quorum device casts now; 0: none. */
  readonly deviceVotes: number;
  readonly deviceName: string;
  readonly masterWins: boolean;
}

/** What the daemon shows of them to whoever only watches. */
export interface VotesSummary extends VotesNow {
  /** Of the members, and of the device. */
  readonly totalVotes: number;
  readonly neededVotes: number;
  readonly rule: QuorumRule;
  readonly highestExpected: number;
  /** Every node ever seen. */
  readonly nodes: readonly VotingNode[];
}
