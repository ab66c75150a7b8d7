import { Cmap } from '../../client/cmap.ts';
import { connectivityFaults } from '../../lib/connectivity.ts';
import { timesDown } from '../../lib/knet-facts.ts';
import { timeText } from '../../observe/why/words.ts';
import { type ClusterNode, type ClusterStatus, clusterStatus } from '../cluster.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit } from '../exit-codes.ts';
import { matrixLines } from '../matrix.ts';
import { emit, table } from '../output.ts';
import { nodeViews } from '../views.ts';

const UNSET_U32 = 0xffff_ffff;

/** All links, one row per other node and link. */
export function linkRows(status: ClusterStatus): (string | number)[][] {
  return status.nodes
    .filter(({ local }) => !local)
    .flatMap((node) =>
      node.links.map((link) => [
        node.nodeId,
        node.name ?? '-',
        link.linkId,
        link.connected ? 'up' : 'down',
        link.mtu,
        latency(link.latencyUs),
        link.downCount === null ? '-' : timesDown(link.downCount),
        `${link.source || '?'} -> ${link.destination || '?'}`,
      ]),
    );
}

const latency = (us: number | null): string =>
  us === null || us === 0 || us === UNSET_U32 ? '-' : timeText(us / 1000);

const allUp = (status: ClusterStatus): boolean =>
  status.nodes
    .filter(({ local }) => !local)
    .every((node) => node.links.length > 0 && node.links.every(({ connected }) => connected));

export function nodeRows(nodes: readonly ClusterNode[]): (string | number)[][] {
  return nodes.map((node) => [
    node.nodeId,
    node.name ?? '-',
    `${node.member ? 'member' : 'absent'}${node.local ? ', local' : ''}${node.configured ? '' : ', not in the node list'}`,
    node.votes ?? '-',
    node.addresses.join(' '),
  ]);
}

/** What every node of ours says of its links, as the local daemon has it. */
async function matrix(context: CommandContext): Promise<number> {
  const stats = await Cmap.connect({ ...context.connect, map: 'stats' });
  try {
    const views = await nodeViews(stats);
    const faults = connectivityFaults(views);
    if (views.length === 0) {
      context.io.err('rondo: this daemon has no views of other nodes: stock does not publish any\n');
      return CliExit.FAILED;
    }
    emit(context, { views, faults }, () => matrixLines(views));
    return context.values['check'] === true && faults.length > 0 ? CliExit.CHECK_FAILED : CliExit.OK;
  } finally {
    stats.close();
  }
}

export const LINK_COMMANDS: readonly Command[] = [
  {
    words: 'nodes',
    arguments: '',
    summary: 'nodes of the cluster: state, votes, addresses',
    details: '',
    options: { check: { type: 'boolean' } },
    optionHelp: [{ flag: '--check', text: 'exit 4 when a configured node is absent' }],
    examples: ['rondo nodes --json'],
    positionals: [0, 0],
    async run(context) {
      const { nodes } = await clusterStatus(context);
      emit(context, nodes, () => table(['NODE', 'NAME', 'STATE', 'VOTES', 'ADDRESSES'], nodeRows(nodes)));
      const absent = nodes.some(({ member }) => !member);
      return context.values['check'] === true && absent ? CliExit.CHECK_FAILED : CliExit.OK;
    },
  },
  {
    words: 'links',
    arguments: '',
    summary: 'links to the other nodes: state, MTU, latency',
    details:
      'Latency and down counts are measured by knet only. The matrix has a row for each node that runs Rondo: how it sees its links to the others (DEAF: nothing of the other one is heard), and names what is asymmetric.',
    options: { check: { type: 'boolean' }, matrix: { type: 'boolean', short: 'm' } },
    optionHelp: [
      { flag: '-m, --matrix', text: 'the links as all nodes see them' },
      { flag: '--check', text: 'exit 4 when a link is down' },
    ],
    examples: ['rondo links', 'rondo links --matrix'],
    positionals: [0, 0],
    async run(context) {
      if (context.values['matrix'] === true) return await matrix(context);
      const status = await clusterStatus(context);
      emit(context, { transport: status.transport, localNodeId: status.localNodeId, nodes: status.nodes }, () =>
        table(['NODE', 'NAME', 'LINK', 'STATE', 'MTU', 'LATENCY', 'DOWNS', 'ADDRESSES'], linkRows(status)),
      );
      return context.values['check'] === true && !allUp(status) ? CliExit.CHECK_FAILED : CliExit.OK;
    },
  },
];
