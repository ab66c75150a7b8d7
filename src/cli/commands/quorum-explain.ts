import { Cmap } from '../../client/cmap.ts';
import { Quorum } from '../../client/quorum.ts';
import type { VoteInfo, Votequorum } from '../../client/votequorum.ts';
import {
  forecastFailures,
  forecastPart,
  forecastSplits,
  type PartForecast,
  SPLIT_MEMBERS_MAX,
  type SplitForecast,
  tolerableFailures,
  type VotesNow,
} from '../../services/votequorum/forecast.ts';
import { connectVotequorum, currentQuorum } from '../cluster.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit } from '../exit-codes.ts';
import { emit, plural } from '../output.ts';

async function explain(context: CommandContext): Promise<number> {
  const quorum = await Quorum.connect(context.connect);
  const cmap = await Cmap.connect(context.connect);
  const votequorum = await connectVotequorum(context);
  try {
    if (votequorum === null) {
      const provider = await cmap.getString('quorum.provider');
      emit(context, { provider, now: null }, () => [
        provider === null
          ? 'No quorum provider is configured: every part of the cluster may work, however small. Set quorum.provider: corosync_votequorum'
          : `The provider ${provider} counts no votes: what it will decide cannot be said in advance`,
      ]);
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
    };
    emit(context, result, () => [
      ...nowLines(result.decision, now),
      ...futureLines(result, now),
      ...optionLines(now, own),
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
    deviceVotes: device.registered && device.castsVote ? device.votes : 0,
    masterWins: device.masterWins,
  };
}

function nowLines({ quorate, votes, needed, rule }: PartForecast, { expectedVotes }: VotesNow): readonly string[] {
  const count = `${votes} of ${expectedVotes} votes are here, ${needed} are needed`;
  if (quorate) return [`Quorate: ${count} (rule: ${rule}).`];
  if (rule === 'wait_for_all')
    return [`Not quorate: all nodes must have been seen at once since the start (wait_for_all); ${count}.`];
  return [`Not quorate: ${count} (rule: ${rule}).`];
}

interface Future {
  readonly tolerableFailures: number;
  readonly failures: readonly PartForecast[];
  readonly splits: readonly SplitForecast[];
}

function futureLines({ tolerableFailures: count, failures, splits }: Future, now: VotesNow): readonly string[] {
  if (!now.quorate) return [];
  const risk = count === 0 ? 'One more failure may end it' : `${plural(count, 'node')} can fail, whichever they are`;
  const lines = ['', `${risk}:`];
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

function optionLines(now: VotesNow, own: VoteInfo): readonly string[] {
  const notes = [
    now.twoNode ? 'two_node: either of two nodes goes on alone; only fencing keeps both from working at once' : '',
    now.waitForAll ? 'wait_for_all: after a start nothing works until all nodes were seen at once' : '',
    now.autoTieBreaker ? `auto_tie_breaker: of two halves, the one with ${tieText(now.tieBreakerNode)} goes on` : '',
    own.lastManStanding
      ? 'last_man_standing: some time after a failure the expected votes shrink to who is left, so that more may fail one after the other'
      : '',
    own.allowDownscale ? 'allow_downscale: a node that is stopped in order is not expected any more' : '',
    now.deviceVotes > 0 ? `quorum device ${own.device.name}: ${plural(now.deviceVotes, 'vote')}` : '',
  ].filter((text) => text !== '');
  return notes.length === 0 ? [] : ['', ...notes];
}

const tieText = (nodes: string | null): string =>
  nodes === null || nodes === 'lowest'
    ? 'the lowest node id'
    : nodes === 'highest'
      ? 'the highest node id'
      : `the first of nodes ${nodes}`;

export const QUORUM_EXPLAIN_COMMAND: Command = {
  words: 'quorum explain',
  arguments: '',
  summary: 'which rule decides now, what one more failure and each split of the members would do',
  details: 'Decided by the code that decides in the daemon, for each case on its own.',
  options: {},
  optionHelp: [],
  examples: ['rondo quorum explain', 'rondo quorum explain --json'],
  positionals: [0, 0],
  run: explain,
};
