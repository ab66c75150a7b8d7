import { NodeFlag } from '../codec/votequorum.ts';
import type { VotequorumCore } from './core.ts';
import type { NodeRecord } from './records.ts';

/** The votes at one moment, for whoever only watches. */
export interface VotequorumSummary {
  readonly expected: number;
  readonly highestExpected: number;
  readonly total: number;
  readonly quorum: number;
  readonly quorate: boolean;
  readonly waitForAll: boolean;
  /** wait_for_all is armed: there is no quorum before all have been seen. */
  readonly waiting: boolean;
  readonly twoNode: boolean;
  readonly lastManStanding: boolean;
  readonly tieBreaker: boolean;
  readonly deviceVotes: number;
  readonly nodes: readonly { readonly nodeId: number; readonly votes: number; readonly member: boolean }[];
}

/** What a node of a record sees as expected by anybody, and all votes that are there. */
export function tally(core: VotequorumCore, record: NodeRecord) {
  const members = core.records.members();
  const deviceVotes = record.has(NodeFlag.QDEVICE_CAST_VOTE) ? core.device.votes : 0;
  return {
    highestExpected: Math.max(0, ...members.map((member) => member.expectedVotes)),
    totalVotes: members.reduce((sum, member) => sum + member.votes, 0) + deviceVotes,
    deviceVotes,
  };
}

export function summarize(core: VotequorumCore): VotequorumSummary {
  const { highestExpected, totalVotes, deviceVotes } = tally(core, core.us);
  return {
    expected: core.us.expectedVotes,
    highestExpected,
    total: totalVotes,
    quorum: core.quorum,
    quorate: core.quorate,
    waitForAll: core.waitForAll,
    waiting: core.waitForAll && core.waitForAllArmed,
    twoNode: core.twoNode,
    lastManStanding: core.lastManStanding,
    tieBreaker: core.tieBreaker.mode !== 'none',
    deviceVotes,
    nodes: core.records.all().map(({ nodeId, votes, isMember }) => ({ nodeId, votes, member: isMember })),
  };
}
