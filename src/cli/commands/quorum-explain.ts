import { Cmap } from '../../client/cmap.ts';
import { Quorum } from '../../client/quorum.ts';
import type { VoteInfo, Votequorum } from '../../client/votequorum.ts';
import type { VotesNow } from '../../lib/votes.ts';
import {
  forecastFailures,
  forecastPart,
  forecastReturns,
  forecastSplits,
  type PartForecast,
  SPLIT_MEMBERS_MAX,
  type SplitForecast,
  tolerableFailures,
} from '../../services/votequorum/forecast.ts';
import { optionWords, returnWords, risk, standing, withoutVotes } from '../../services/votequorum/words.ts';
import { connectVotequorum, currentQuorum } from '../cluster.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit } from '../exit-codes.ts';
import { listedNodes } from '../node-list.ts';
import type { ListedNode } from '../node-plan.ts';
import { emit } from '../output.ts';

async function explain(context: CommandContext): Promise<number> {
  const quorum = await Quorum.connect(context.connect);
  const cmap = await Cmap.connect(context.connect);
  const votequorum = await connectVotequorum(context);
  try {
    if (votequorum === null) {
      const provider = await cmap.getString('quorum.provider');
      emit(context, { provider, now: null }, () => [withoutVotes(provider)]);
      return CliExit.OK;
    }
    const { members } = await currentQuorum(quorum);
    const own = await votequorum.info();
    const now = await votesNow(cmap, votequorum, members, own);
    const result = {
      now,
      decision: { ...forecastPart(now, members, now.deviceVotes > 0), quorate: own.quorate, needed: own.quorum },
      tolerableFailures: own.quorate ? tolerableFailures(now) : 0,
      failures: own.quorate ? forecastFailures(now) : [],
      splits: own.quorate ? forecastSplits(now) : [],
      returns: own.quorate ? [] : forecastReturns(now, await absentNodes(cmap, members)),
    };
    const notes = optionWords(now);
    emit(context, result, () => [
      standing(result.decision, now),
      ...(own.quorate ? futureLines(result, now) : lostLines(result.returns, now)),
      ...(notes.length === 0 ? [] : ['', ...notes]),
    ]);
    return CliExit.OK;
  } finally {
    for (const connection of [quorum, cmap, votequorum]) connection?.close();
  }
}

async function votesNow(
  cmap: Cmap,
  votequorum: Votequorum,
  members: readonly number[],
  own: VoteInfo,
): Promise<VotesNow> {
  const nodes: { nodeId: number; votes: number }[] = [];
  for (const nodeId of members) nodes.push({ nodeId, votes: (await votequorum.info(nodeId)).votes });
  const { device } = own;
  return {
    members: nodes,
    quorate: own.quorate,
    expectedVotes: own.expectedVotes,
    twoNode: own.twoNode,
    waitForAll: own.waitForAll,
    waitForAllArmed: (await cmap.getNumber('runtime.votequorum.wait_for_all_status')) === 1,
    autoTieBreaker: own.autoTieBreaker,
    tieBreakerNode: await cmap.getString('quorum.auto_tie_breaker_node'),
    lastManStanding: own.lastManStanding,
    allowDownscale: own.allowDownscale,
    deviceVotes: device.registered && device.castsVote ? device.votes : 0,
    deviceName: device.name,
    masterWins: device.masterWins,
  };
}

interface Future {
  readonly tolerableFailures: number;
  readonly failures: readonly PartForecast[];
  readonly splits: readonly SplitForecast[];
}

/** Those of the list that are not here. */
async function absentNodes(cmap: Cmap, members: readonly number[]): Promise<readonly ListedNode[]> {
  return (await listedNodes(cmap)).filter(({ nodeId }) => !members.includes(nodeId));
}

function lostLines(returns: readonly PartForecast[], now: VotesNow): readonly string[] {
  const back = returnWords(returns, now);
  const words = back.length > 0 ? back : ['No node of the list that comes would bring it back.'];
  return ['', ...words, 'Only if the others are certainly down: rondo quorum expect VOTES'];
}

function futureLines({ tolerableFailures: count, failures, splits }: Future, now: VotesNow): readonly string[] {
  const lines = ['', `${risk(count)}:`];
  for (const part of failures) {
    const failed = now.members.find(({ nodeId }) => !part.nodes.includes(nodeId))?.nodeId;
    lines.push(`  without node ${failed}: ${outcome(part)}`);
  }
  if (now.members.length > SPLIT_MEMBERS_MAX)
    return [
      ...lines,
      '',
      `More than ${SPLIT_MEMBERS_MAX} members: their splits are too many to list. A part needs what is said above.`,
    ];
  if (splits.length === 0) return lines;
  const device = now.deviceVotes > 0 ? '; the quorum device gives its votes to the first part' : '';
  lines.push('', `If the members fall apart${device}:`);
  for (const { parts } of splits)
    lines.push(`  ${parts.map((part) => `${part.nodes.join(' ')}: ${outcome(part)}`).join('  |  ')}`);
  return lines;
}

const outcome = ({ quorate, votes, needed, rule }: PartForecast): string =>
  `${quorate ? 'goes on' : 'stops'} (${votes} of ${needed} needed${rule === 'votes' ? '' : `, ${rule}`})`;

export const QUORUM_EXPLAIN_COMMAND: Command = {
  words: 'quorum explain',
  arguments: '',
  summary:
    'which rule decides now, what one more failure and each split of the members would do, and what brings a lost quorum back',
  details: 'Decided by the code that decides in the daemon, for each case on its own.',
  options: {},
  optionHelp: [],
  examples: ['rondo quorum explain', 'rondo quorum explain --json'],
  positionals: [0, 0],
  run: explain,
};
