import type { QuorumView, VotesSummary } from './view.ts';

const votesText = (count: number): string => (count === 1 ? '1 vote' : `${count} votes`);

/** Why there is quorum, or none, and what would change that: a sentence each. */
export function quorumWords({ provider, quorate, votes }: QuorumView): readonly string[] {
  if (provider === '') return ['No quorum provider is configured: every node may act, alone or not.'];
  if (votes === null)
    return [quorate ? `${provider} says that this part may act.` : `${provider} gives this part no quorum.`];
  return quorate ? quorateWords(votes) : inquorateWords(votes);
}

function quorateWords(votes: VotesSummary): readonly string[] {
  const { total, expected, quorum, twoNode, deviceVotes } = votes;
  const here = `${total} of ${votesText(expected)} are here, and ${quorum} ${quorum === 1 ? 'is' : 'are'} needed.`;
  const spare = total - quorum;
  const next =
    spare > 0
      ? `${votesText(spare)} more may be lost; one beyond that ends quorum.`
      : twoNode
        ? 'With two_node the one that is left goes on; fencing decides which.'
        : 'The next loss ends quorum.';
  const words = [here, next];
  if (deviceVotes > 0) words.push(`The quorum device gives ${votesText(deviceVotes)} of them.`);
  if (votes.lastManStanding) words.push('last_man_standing lowers what is needed after a while.');
  return words;
}

function inquorateWords({ total, expected, quorum, waiting, tieBreaker }: VotesSummary): readonly string[] {
  if (waiting && total >= quorum)
    return [
      `${total} of ${votesText(expected)} are here.`,
      'wait_for_all: after a start all nodes must have been seen once before any may act.',
    ];
  const words = [
    `${total} of ${votesText(expected)} are here, and ${quorum} are needed: ${votesText(Math.max(0, quorum - total))} missing.`,
    'This node must not act: it cannot know what the others do.',
  ];
  if (tieBreaker) words.push('auto_tie_breaker gave an even split to the other part.');
  return words;
}
