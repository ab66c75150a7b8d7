import type { VotesSummary, VotingNode } from '../../lib/votes.ts';
import { NodeFlag } from '../codec/votequorum.ts';
import type { VotequorumCore } from './core.ts';
import { tieBreakerSetting } from './quorum-math.ts';
import type { NodeRecord } from './records.ts';

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

export function summarize(core: VotequorumCore, deviceName: string): VotesSummary {
  const { highestExpected, totalVotes, deviceVotes } = tally(core, core.us);
  return {
    members: core.records.members().map(votingNode),
    quorate: core.quorate,
    expectedVotes: core.us.expectedVotes,
    twoNode: core.twoNode,
    waitForAll: core.waitForAll,
    waitForAllArmed: core.waitForAllArmed,
    autoTieBreaker: core.tieBreaker.mode !== 'none',
    tieBreakerNode: tieBreakerSetting(core.tieBreaker),
    lastManStanding: core.lastManStanding,
    allowDownscale: core.allowDownscale,
    deviceVotes,
    deviceName,
    masterWins: core.masterWins,
    totalVotes,
    neededVotes: core.quorum,
    rule: core.basis.rule,
    highestExpected,
    nodes: core.records.all().map(votingNode),
  };
}

const votingNode = ({ nodeId, votes }: NodeRecord): VotingNode => ({ nodeId, votes });
