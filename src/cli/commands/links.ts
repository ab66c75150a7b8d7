import { type ClusterNode, type ClusterStatus, clusterStatus } from '../cluster.ts';
import type { Command } from '../command.ts';
import { CliExit } from '../exit-codes.ts';
import { emit, table } from '../output.ts';

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
        link.downCount ?? '-',
        `${link.source || '?'} -> ${link.destination || '?'}`,
      ]),
    );
}

const latency = (us: number | null): string => (us === null || us === 0 || us === UNSET_U32 ? '-' : `${us} us`);

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
    details: 'Latency and down counts are measured by knet only.',
    options: { check: { type: 'boolean' } },
    optionHelp: [{ flag: '--check', text: 'exit 4 when a link is down' }],
    examples: ['rondo links'],
    positionals: [0, 0],
    async run(context) {
      const status = await clusterStatus(context);
      emit(context, { transport: status.transport, localNodeId: status.localNodeId, nodes: status.nodes }, () =>
        table(['NODE', 'NAME', 'LINK', 'STATE', 'MTU', 'LATENCY', 'DOWNS', 'ADDRESSES'], linkRows(status)),
      );
      return context.values['check'] === true && !allUp(status) ? CliExit.CHECK_FAILED : CliExit.OK;
    },
  },
];
