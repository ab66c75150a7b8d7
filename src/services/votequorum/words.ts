import { agreeing, counted } from '../../lib/counted.ts';
import type { VotesNow, VotesSummary } from '../../lib/votes.ts';
import { forecastReturns, type PartForecast, tolerableFailures } from './forecast.ts';

/** Why there is quorum or none where no votes are counted. `provider`: `null` or empty: none is configured. */
export const withoutVotes = (provider: string | null): string =>
  provider === null || provider === ''
    ? 'No quorum provider is configured: every part of the cluster may work, however small. Set quorum.provider: corosync_votequorum'
    : `The provider ${provider} counts no votes: what it will decide cannot be said in advance`;

/** Whether a part has quorum, and by which rule. */
export function standing(
  { quorate, votes, needed, rule }: Omit<PartForecast, 'nodes'>,
  { expectedVotes }: Pick<VotesNow, 'expectedVotes'>,
): string {
  const are = (many: number): string => agreeing(many, 'is', 'are');
  const count = `${votes} of ${counted(expectedVotes, 'vote')} ${are(votes)} here, ${needed} ${are(needed)} needed`;
  if (quorate) return `Quorate: ${count} (rule: ${rule}).`;
  if (rule === 'wait_for_all')
    return `Not quorate: all nodes must have been seen at once since the start (wait_for_all); ${count}.`;
  return `Not quorate: ${count} (rule: ${rule}).`;
}

/** How many failures a quorate part survives. */
export const risk = (count: number): string =>
  count === 0
    ? 'One more failure may end it'
    : `${counted(count, 'node')} can fail, whichever ${agreeing(count, 'it is', 'they are')}`;

/** What the options that are in force mean. */
export const optionWords = (now: VotesNow): readonly string[] =>
  [
    now.twoNode ? 'two_node: either of two nodes goes on alone; only fencing keeps both from working at once' : '',
    now.waitForAll ? 'wait_for_all: after a start nothing works until all nodes were seen at once' : '',
    now.autoTieBreaker ? `auto_tie_breaker: of two halves, the one with ${tieText(now.tieBreakerNode)} goes on` : '',
    now.lastManStanding
      ? 'last_man_standing: some time after a failure the expected votes shrink to who is left, so that more may fail one after the other'
      : '',
    now.allowDownscale ? 'allow_downscale: a node that is stopped in order is not expected any more' : '',
    now.deviceVotes > 0 ? `quorum device ${now.deviceName}: ${counted(now.deviceVotes, 'vote')}` : '',
  ].filter((text) => text !== '');

const tieText = (nodes: string | null): string =>
  nodes === null || nodes === 'lowest'
    ? 'the lowest node id'
    : nodes === 'highest'
      ? 'the highest node id'
      : `the first of nodes ${nodes}`;

/** The sentences for a watcher who asks again and again: they are thought out anew only when the votes are others. */
export class VotesWords {
  private seen = '';
  private words: readonly string[] = [];

  of(votes: VotesSummary): readonly string[] {
    const seen = JSON.stringify(votes);
    if (seen !== this.seen) {
      this.seen = seen;
      this.words = allWords(votes);
    }
    return this.words;
  }
}

/** Who has to come for quorum to be there again; none: nobody who is known is enough. */
export function returnWords(
  returns: readonly PartForecast[],
  { members }: Pick<VotesNow, 'members'>,
): readonly string[] {
  if (returns.length === 0) return [];
  const ways = returns.map(({ nodes }) => {
    const missing = nodes.filter((node) => members.every(({ nodeId }) => nodeId !== node));
    return `${agreeing(missing.length, 'node', 'nodes')} ${missing.join(' and ')}`;
  });
  return [`It comes back with ${ways.join(', or with ')}.`];
}

const absentOf = ({ nodes, members }: VotesSummary): VotesSummary['nodes'] =>
  nodes.filter(({ nodeId }) => members.every((member) => member.nodeId !== nodeId));

function allWords(votes: VotesSummary): readonly string[] {
  const { quorate, totalVotes, neededVotes, rule } = votes;
  return [
    standing({ quorate, votes: totalVotes, needed: neededVotes, rule }, votes),
    ...(quorate
      ? [`${risk(tolerableFailures(votes))}.`]
      : [
          'This node must not act: it cannot know what the others do.',
          ...returnWords(forecastReturns(votes, absentOf(votes)), votes),
        ]),
    ...optionWords(votes),
  ];
}
