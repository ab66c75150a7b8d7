import { counted } from '../../lib/counted.ts';
import { type ClusterNode, type ClusterStatus, clusterStatus, ringText } from '../cluster.ts';
import type { Command } from '../command.ts';
import { CliExit } from '../exit-codes.ts';
import { emit, table } from '../output.ts';
import { quorumReason } from './quorum.ts';

export function statusLines(status: ClusterStatus): string[] {
  const members = status.nodes.filter(({ member }) => member);
  const head: [string, string][] = [
    ['Cluster', status.clusterName ?? '(unnamed)'],
    ['This node', String(status.localNodeId)],
    ['Ring', `${ringText(status.ringId)}, ${counted(members.length, 'member')} of ${status.nodes.length}`],
    ['Transport', status.transport],
    ['Quorum', quorumReason(status.quorate, status.votes, status.quorumProvider)],
  ];
  return [
    ...head.map(([name, value]) => `${`${name}:`.padEnd(11)} ${value}`),
    '',
    ...table(
      ['NODE', 'NAME', 'STATE', 'VOTES', 'LINKS', 'ADDRESSES'],
      status.nodes.map((node) => [
        node.nodeId,
        `${node.name ?? '-'}${node.local ? ' (local)' : ''}`,
        nodeState(node),
        node.votes ?? '-',
        linkSummary(node),
        node.addresses.join(' '),
      ]),
    ),
  ];
}

function nodeState(node: ClusterNode): string {
  const state = node.member ? 'member' : 'absent';
  return node.configured ? state : `${state}, not in the node list`;
}

/** A node has no link to itself, whatever stock's statistics count as one. */
function linkSummary(node: ClusterNode): string {
  if (node.local || node.links.length === 0) return '-';
  const up = node.links.filter(({ connected }) => connected).length;
  return `${up}/${node.links.length} up`;
}

export const STATUS_COMMAND: Command = {
  words: 'status',
  arguments: '',
  summary: 'one overview: ring, quorum and why, nodes, links',
  details: '',
  options: { check: { type: 'boolean' } },
  optionHelp: [{ flag: '--check', text: 'exit 4 when not quorate, or a configured node is absent' }],
  examples: ['rondo status', 'rondo status --json', 'rondo status --check --wait 10'],
  positionals: [0, 0],
  async run(context) {
    const status = await clusterStatus(context);
    emit(context, status, () => statusLines(status));
    const healthy = status.quorate && status.nodes.every(({ member }) => member);
    return context.values['check'] === true && !healthy ? CliExit.CHECK_FAILED : CliExit.OK;
  },
};
