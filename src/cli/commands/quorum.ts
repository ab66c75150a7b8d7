import { Cmap } from '../../client/cmap.ts';
import { type NodeListEvent, Quorum, type QuorumEvent } from '../../client/quorum.ts';
import type { VoteInfo } from '../../client/votequorum.ts';
import { counted } from '../../lib/counted.ts';
import { configuredNodes, connectVotequorum, currentQuorum, ringText } from '../cluster.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { emit, emitItem, table } from '../output.ts';

/** Whether there is quorum, and why or why not, in one line. */
export function quorumReason(quorate: boolean, votes: VoteInfo | null, provider: string | null): string {
  if (provider === null) return 'no provider configured: every part may work';
  if (votes === null) return quorate ? 'yes' : 'no';
  const count = `${votes.totalVotes} of ${counted(votes.expectedVotes, 'vote')}, ${votes.quorum} needed`;
  if (quorate) return `yes: ${count}`;
  if (votes.totalVotes < votes.quorum) return `no: ${count}`;
  return votes.waitForAll ? `no: ${count}, but waiting for all nodes to be seen once` : `no: ${count}`;
}

export function flagWords(votes: VoteInfo): string[] {
  const flags: [boolean, string][] = [
    [votes.twoNode, '2Node'],
    [votes.quorate, 'Quorate'],
    [votes.waitForAll, 'WaitForAll'],
    [votes.lastManStanding, 'LastManStanding'],
    [votes.autoTieBreaker, 'AutoTieBreaker'],
    [votes.allowDownscale, 'AllowDownscale'],
    [votes.device.registered, 'Qdevice'],
  ];
  return flags.filter(([set]) => set).map(([, word]) => word);
}

interface QuorumNode {
  readonly nodeId: number;
  readonly name: string | null;
  readonly votes: number | null;
  readonly device: VoteInfo['device'] | null;
}

async function status(context: CommandContext): Promise<number> {
  const quorum = await Quorum.connect(context.connect);
  const cmap = await Cmap.connect(context.connect);
  const votequorum = await connectVotequorum(context);
  try {
    const provider = await cmap.getString('quorum.provider');
    const names = await configuredNodes(cmap);
    const current = await currentQuorum(quorum);
    const votes = votequorum === null ? null : await votequorum.info();
    const nodes: QuorumNode[] = [];
    for (const nodeId of current.members) {
      const info = votequorum === null ? null : await votequorum.info(nodeId);
      nodes.push({ nodeId, name: names.get(nodeId) ?? null, votes: info?.votes ?? null, device: info?.device ?? null });
    }
    const value = { provider, quorate: current.quorate, ringId: current.ringId, votes, nodes };
    emit(context, value, () => [
      `Quorate:   ${quorumReason(current.quorate, votes, provider)}`,
      `Provider:  ${provider ?? '-'}`,
      `Ring:      ${ringText(current.ringId)}`,
      ...(votes === null ? [] : [`Flags:     ${flagWords(votes).join(' ') || '-'}`]),
      '',
      ...table(
        ['NODE', 'NAME', 'VOTES'],
        nodes.map(({ nodeId, name, votes: own }) => [nodeId, name ?? '-', own ?? '-']),
      ),
    ]);
    return context.values['check'] === true && !current.quorate ? CliExit.CHECK_FAILED : CliExit.OK;
  } finally {
    for (const connection of [quorum, cmap, votequorum]) connection?.close();
  }
}

export function quorumEventLine(event: QuorumEvent | NodeListEvent): string {
  if (event.type === 'quorum') {
    return `quorum ${event.quorate ? 'yes' : 'no'} ring ${ringText(event.ringId)} members ${event.members.join(' ')}`;
  }
  const joined = event.joined.length > 0 ? ` joined ${event.joined.join(' ')}` : '';
  const left = event.left.length > 0 ? ` left ${event.left.join(' ')}` : '';
  return `nodes ring ${ringText(event.ringId)} members ${event.members.join(' ')}${joined}${left}`;
}

async function watch(context: CommandContext): Promise<number> {
  const quorum = await Quorum.connect(context.connect);
  try {
    for await (const event of await quorum.watch({ signal: context.io.signal })) {
      emitItem(context, event, quorumEventLine(event));
    }
    return CliExit.OK;
  } finally {
    quorum.close();
  }
}

async function expect(context: CommandContext): Promise<number> {
  const votes = Number(context.positionals[0]);
  if (!Number.isInteger(votes) || votes < 1)
    throw new UsageError('the number of votes must be positive', 'quorum expect');
  const votequorum = await connectVotequorum(context);
  if (votequorum === null) {
    context.io.err('rondo: votequorum is not configured, or no daemon runs. Set quorum.provider in corosync.conf\n');
    return CliExit.UNREACHABLE;
  }
  try {
    await votequorum.setExpectedVotes(votes, { signal: context.io.signal });
    emit(context, { expectedVotes: votes }, () => []);
    return CliExit.OK;
  } finally {
    votequorum.close();
  }
}

const CHECK_HELP = [{ flag: '--check', text: 'exit 4 when not quorate' }];
const STATUS = {
  arguments: '',
  options: { check: { type: 'boolean' } },
  optionHelp: CHECK_HELP,
  positionals: [0, 0],
  run: status,
} as const;

export const QUORUM_COMMANDS: readonly Command[] = [
  {
    words: 'quorum',
    summary: 'quorum, votes and why',
    details: '',
    examples: ['rondo quorum --check && start-service'],
    ...STATUS,
  },
  { words: 'quorum status', summary: 'the same', details: '', examples: [], ...STATUS },
  {
    words: 'quorum watch',
    arguments: '',
    summary: 'print membership and quorum changes as they happen',
    details: 'The current state comes first.',
    options: {},
    optionHelp: [],
    examples: ['rondo quorum watch --json'],
    positionals: [0, 0],
    run: watch,
  },
  {
    words: 'quorum expect',
    arguments: 'VOTES',
    summary: 'set the expected votes of the cluster',
    details: 'Refused when the votes present would lose quorum by it, or are more.',
    options: {},
    optionHelp: [],
    examples: ['rondo quorum expect 3'],
    positionals: [1, 1],
    run: expect,
  },
];
