import type { SeenLink } from '../../lib/connectivity.ts';
import type { LinkView, NodeSnapshot } from '../view.ts';
import type { Emit, Metric } from './metric.ts';

const FRAME_TYPES: readonly (readonly [type: string, received: string, sent: string])[] = [
  ['token', 'orf_token_rx', 'orf_token_tx'],
  ['message', 'mcast_rx', 'mcast_tx'],
  ['join', 'memb_join_rx', 'memb_join_tx'],
  ['commit_token', 'memb_commit_token_rx', 'memb_commit_token_tx'],
  ['merge_detect', 'memb_merge_detect_rx', 'memb_merge_detect_tx'],
  ['hold_cancel', 'token_hold_cancel_rx', 'token_hold_cancel_tx'],
];
const STATES = ['operational', 'gather', 'commit', 'recovery'] as const;
const DROPPED = 'rondo.dropped.';
const REPEATED = 'rondo.repeated.node';

const nameOf = (view: NodeSnapshot, nodeId: number): string =>
  view.nodes.find((node) => node.nodeId === nodeId)?.name ?? '';
const bit = (on: boolean): number => (on ? 1 : 0);
const seconds = (ms: number): number => ms / 1000;
const srp = (view: NodeSnapshot, name: string): number => view.counter(`srp.${name}`);

/** One value a link, with the labels that all metrics of links have. */
function eachLink(view: NodeSnapshot, emit: Emit<number>, value: (link: LinkView) => number | null): void {
  for (const link of view.links) {
    const found = value(link);
    if (found !== null) emit(found, link.nodeId, nameOf(view, link.nodeId), link.linkId);
  }
}
const PAIR_LABELS = ['from_id', 'to_id', 'link'] as const;
function eachPair(view: NodeSnapshot, emit: Emit<number>, value: (link: SeenLink) => number): void {
  for (const { nodeId, links } of view.seen)
    for (const link of links) emit(value(link), nodeId, link.peerId, link.link);
}
const LINK_LABELS = ['node_id', 'node', 'link'] as const;
const ofLink =
  (key: string) =>
  (view: NodeSnapshot, emit: Emit<number>): void =>
    eachLink(view, emit, ({ prefix }) => (prefix === null ? null : view.counter(prefix + key)));
function bothWays(view: NodeSnapshot, emit: Emit<number>, suffix: string): void {
  for (const { prefix, nodeId, linkId } of view.links) {
    if (prefix === null) continue;
    for (const [way, key] of [
      ['in', 'rx'],
      ['out', 'tx'],
    ]) {
      emit(view.counter(`${prefix}${key}_total_${suffix}`), nodeId, nameOf(view, nodeId), linkId, way ?? '');
    }
  }
}

/** Whether a ring (a link, in ha_cluster_exporter's words) has nobody missing. */
const ringHealthy = (view: NodeSnapshot, linkId: number): boolean =>
  view.links.every((link) => link.linkId !== linkId || link.connected);
const linkIds = (view: NodeSnapshot): readonly number[] => [...new Set(view.links.map(({ linkId }) => linkId))];

/** Under the names and labels of ClusterLabs' ha_cluster_exporter, so that its dashboards and rules work as they are. */
const EXPORTER: readonly Metric[] = [
  {
    name: 'ha_cluster_corosync_quorate',
    type: 'gauge',
    help: 'Whether this node is in the quorate part of the cluster.',
    source: 'quorum service',
    read: (view, emit) => emit(bit(view.quorum.quorate)),
  },
  {
    name: 'ha_cluster_corosync_quorum_votes',
    type: 'gauge',
    help: 'Votes by type: expected_votes, highest_expected, total_votes, quorum.',
    labels: ['type'],
    source: 'votequorum; none without it',
    read: ({ quorum: { votes } }, emit) => {
      if (votes === null) return;
      emit(votes.expectedVotes, 'expected_votes');
      emit(votes.highestExpected, 'highest_expected');
      emit(votes.totalVotes, 'total_votes');
      emit(votes.neededVotes, 'quorum');
    },
  },
  {
    name: 'ha_cluster_corosync_member_votes',
    type: 'gauge',
    help: 'Votes that a member has given.',
    labels: ['node_id', 'node', 'local'],
    source: 'votequorum; members only',
    read: (view, emit) => {
      for (const { nodeId, name, member, local, votes } of view.nodes)
        if (member && votes !== null) emit(votes, nodeId, name, String(local));
    },
  },
  {
    name: 'ha_cluster_corosync_rings',
    type: 'gauge',
    help: 'Whether every other node is reached over the link of that number.',
    labels: ['ring_id', 'node_id', 'number', 'address'],
    source: 'links of this node',
    read: (view, emit) => {
      const { rep, seq } = view.ring.ringId;
      const { nodeId, addresses } = view.identity;
      for (const linkId of linkIds(view)) {
        emit(bit(ringHealthy(view, linkId)), `${rep}.${seq.toString(16)}`, nodeId, linkId, addresses[linkId] ?? '');
      }
    },
  },
  {
    name: 'ha_cluster_corosync_ring_errors',
    type: 'gauge',
    help: 'Links over which not every other node is reached.',
    source: 'links of this node',
    read: (view, emit) => emit(linkIds(view).filter((linkId) => !ringHealthy(view, linkId)).length),
  },
];

const RING: readonly Metric[] = [
  {
    name: 'rondo_build_info',
    type: 'gauge',
    help: 'Always 1; the labels say what runs here.',
    labels: ['version', 'node_id', 'node', 'cluster', 'transport', 'encrypted'],
    source: 'package, configuration',
    read: ({ identity }, emit) => {
      const { version, nodeId, name, cluster, transport, encrypted } = identity;
      emit(1, version, nodeId, name, cluster, transport, String(encrypted));
    },
  },
  {
    name: 'rondo_member',
    type: 'gauge',
    help: 'Whether a configured node, or one in the ring, is a member of the ring of this one.',
    labels: ['node_id', 'node'],
    source: 'last change of the membership',
    read: ({ nodes }, emit) => {
      for (const { nodeId, name, member } of nodes) emit(bit(member), nodeId, name);
    },
  },
  {
    name: 'rondo_members',
    type: 'gauge',
    help: 'Members of the ring.',
    source: 'last change of the membership',
    read: ({ ring }, emit) => emit(ring.members.length),
  },
  {
    name: 'rondo_ring_sequence',
    type: 'gauge',
    help: 'Sequence number of the ring: it grows with every change of the membership, and is equal on all members.',
    source: 'last change of the membership',
    read: ({ ring }, emit) => emit(ring.ringId.seq),
  },
  {
    name: 'rondo_synchronised',
    type: 'gauge',
    help: 'Whether the services have finished the synchronisation of the last membership.',
    source: 'state of the ring thread',
    read: ({ ring }, emit) => emit(bit(ring.synchronised)),
  },
  {
    name: 'rondo_token_silence_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'Time since the token was last here.',
    source: 'stats.srp.time_since_token_last_received',
    read: ({ ring }, emit) => {
      if (ring.silentMs !== null) emit(seconds(ring.silentMs));
    },
  },
  {
    name: 'rondo_token_timeout_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'Token timeout in force.',
    source: 'runtime.config.totem.token',
    read: ({ ring }, emit) => emit(seconds(ring.tokenMs)),
  },
  {
    name: 'rondo_token_rotation_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'Time from one visit of the token to the next. While nobody sends, the representative holds the token, and that counts.',
    source: 'counted at each visit',
    read: ({ rotation }, emit) => emit(rotation),
  },
  {
    name: 'rondo_delivery_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'Time from the first message of a packet of this node until the packet is delivered to it, in total order.',
    source: 'counted for each packet',
    read: ({ delivery }, emit) => emit(delivery),
  },
  {
    name: 'rondo_frames',
    type: 'counter',
    help: 'Frames of the ring protocol by type and direction.',
    labels: ['type', 'direction'],
    source: 'stats.srp.*_rx, *_tx',
    read: (view, emit) => {
      for (const [type, received, sent] of FRAME_TYPES) {
        emit(srp(view, received), type, 'in');
        emit(srp(view, sent), type, 'out');
      }
    },
  },
  {
    name: 'rondo_retransmissions',
    type: 'counter',
    help: 'Messages that this node multicast again because another one lacked them, by the node that sent them first.',
    labels: ['node_id', 'node'],
    source: 'rondo.repeated.node<N>; all of them: stats.srp.mcast_retx',
    read: (view, emit) => {
      for (const name of view.namesOf(REPEATED)) {
        const nodeId = Number(name.slice(REPEATED.length));
        emit(view.counter(name), nodeId, nameOf(view, nodeId));
      }
    },
  },
  {
    name: 'rondo_retransmitted',
    type: 'counter',
    help: 'Messages that this node multicast again, whoever sent them first.',
    source: 'stats.srp.mcast_retx',
    read: (view, emit) => emit(srp(view, 'mcast_retx')),
  },
  {
    name: 'rondo_requested',
    type: 'counter',
    help: 'Messages that this node asked for because it lacked them.',
    source: 'rondo.totem.requested',
    read: (view, emit) => emit(view.counter('rondo.totem.requested')),
  },
  {
    name: 'rondo_dropped',
    type: 'counter',
    help: 'What was received and not acted upon, by layer and reason.',
    labels: ['layer', 'reason'],
    source: 'rondo.dropped.*',
    read: (view, emit) => {
      for (const name of view.namesOf(DROPPED)) {
        const [layer = '', ...reason] = name.slice(DROPPED.length).split('.');
        emit(view.counter(name), layer, reason.join('.'));
      }
    },
  },
];

const MEMBERSHIP: readonly Metric[] = [
  {
    name: 'rondo_membership_changes',
    type: 'counter',
    help: 'Rings that were formed.',
    source: 'stats.srp.operational_entered',
    read: (view, emit) => emit(srp(view, 'operational_entered')),
  },
  {
    name: 'rondo_states_entered',
    type: 'counter',
    help: 'How often each state of the ring protocol was entered.',
    labels: ['state'],
    source: 'stats.srp.*_entered',
    read: (view, emit) => {
      for (const state of STATES) emit(srp(view, `${state}_entered`), state);
    },
  },
  {
    name: 'rondo_token_losses',
    type: 'counter',
    help: 'Token timeouts, by the state in which they happened.',
    labels: ['state'],
    source: 'stats.srp.*_token_lost',
    read: (view, emit) => {
      for (const state of STATES) emit(srp(view, `${state}_token_lost`), state);
    },
  },
  {
    name: 'rondo_consensus_timeouts',
    type: 'counter',
    help: 'Times that the nodes did not agree on a membership in time.',
    source: 'stats.srp.consensus_timeouts',
    read: (view, emit) => emit(srp(view, 'consensus_timeouts')),
  },
  {
    name: 'rondo_membership_phase_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'What each phase of the last whole change of the membership took.',
    labels: ['phase'],
    source: 'rondo.membership.*_us',
    read: ({ lastChange }, emit) => {
      if (lastChange.atMs === null) return;
      for (const { phase, ms } of lastChange.phases) emit(seconds(ms), phase);
    },
  },
  {
    name: 'rondo_membership_changed_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'When the last change of the membership was whole, services synchronised.',
    source: 'rondo.membership.changed_at_ms',
    read: ({ lastChange }, emit) => {
      if (lastChange.atMs !== null) emit(seconds(lastChange.atMs));
    },
  },
];

const LINKS: readonly Metric[] = [
  {
    name: 'rondo_link_up',
    type: 'gauge',
    help: 'Whether the other node is reached over the link; udp and udpu: whether it is a member.',
    labels: LINK_LABELS,
    source: 'stats.knet.node<N>.link<L>.connected',
    read: (view, emit) => eachLink(view, emit, ({ connected }) => bit(connected)),
  },
  {
    name: 'rondo_link_latency_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'Mean of the latest round trips of knet’s PINGs.',
    labels: LINK_LABELS,
    source: 'stats.knet.node<N>.link<L>.latency_ave',
    read: (view, emit) => eachLink(view, emit, ({ latencyUs }) => (latencyUs === null ? null : latencyUs / 1_000_000)),
  },
  {
    name: 'rondo_link_mtu_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Data that one datagram carries over the link.',
    labels: LINK_LABELS,
    source: 'stats.knet.node<N>.link<L>.mtu',
    read: ofLink('mtu'),
  },
  {
    name: 'rondo_link_packets',
    type: 'counter',
    help: 'Datagrams over the link, all kinds.',
    labels: [...LINK_LABELS, 'direction'],
    source: 'stats.knet.node<N>.link<L>.rx_total_packets, tx_total_packets',
    read: (view, emit) => bothWays(view, emit, 'packets'),
  },
  {
    name: 'rondo_link_traffic_bytes',
    type: 'counter',
    unit: 'bytes',
    help: 'Bytes over the link, all kinds.',
    labels: [...LINK_LABELS, 'direction'],
    source: 'stats.knet.node<N>.link<L>.rx_total_bytes, tx_total_bytes',
    read: (view, emit) => bothWays(view, emit, 'bytes'),
  },
  {
    name: 'rondo_link_send_errors',
    type: 'counter',
    help: 'Datagrams that the system did not take.',
    labels: LINK_LABELS,
    source: 'stats.knet.node<N>.link<L>.tx_total_errors',
    read: ofLink('tx_total_errors'),
  },
  {
    name: 'rondo_link_downs',
    type: 'counter',
    help: 'Times that the link was lost.',
    labels: LINK_LABELS,
    source: 'stats.knet.node<N>.link<L>.down_count',
    read: ofLink('down_count'),
  },
  {
    name: 'rondo_pair_link_up',
    type: 'gauge',
    help: 'Whether a node uses its link to another, as it says itself: both directions of each pair, from one node.',
    labels: PAIR_LABELS,
    source: 'rondo.view.node<N>.peer<M>.link<L>.up; none of stock nodes',
    read: (view, emit) => eachPair(view, emit, ({ up }) => bit(up)),
  },
  {
    name: 'rondo_pair_link_heard',
    type: 'gauge',
    help: 'Whether packets of the other node arrive, whatever becomes of its own ones: 1 here and 0 of rondo_pair_link_up is a one-way link.',
    labels: PAIR_LABELS,
    source: 'rondo.view.node<N>.peer<M>.link<L>.heard; none of stock nodes',
    read: (view, emit) => eachPair(view, emit, ({ heard }) => bit(heard)),
  },
];

const LEVELS = ['low', 'good', 'high', 'critical'];

const LOCAL: readonly Metric[] = [
  {
    name: 'rondo_send_queue_packets',
    type: 'gauge',
    help: 'Packets that wait for the token, and those that there is room for.',
    labels: ['state'],
    source: 'stats.pg.*',
    read: ({ queue }, emit) => {
      emit(queue.usedPackets, 'used');
      emit(queue.freePackets, 'free');
    },
  },
  {
    name: 'rondo_send_queue_level',
    type: 'gauge',
    help: '1 for the level that clients are held to now: low, good, high, critical.',
    labels: ['level'],
    source: 'state of the ring thread',
    read: ({ queue }, emit) => {
      for (const [at, level] of LEVELS.entries()) emit(bit(queue.level === at), level);
    },
  },
  {
    name: 'rondo_ring_stalled',
    type: 'gauge',
    help: 'Whether the ring waits for the main thread to take what it has for it.',
    source: 'state of the ring thread',
    read: ({ queue }, emit) => emit(bit(queue.stalled)),
  },
  {
    name: 'rondo_clients',
    type: 'gauge',
    help: 'Connections of local clients, by service.',
    labels: ['service'],
    source: 'stats.ipcs.service<S>.*',
    read: ({ clients }, emit) => {
      for (const { service, connections } of clients) emit(connections, service);
    },
  },
  {
    name: 'rondo_client_events_waiting',
    type: 'gauge',
    help: 'Events that wait in memory for clients that do not read.',
    labels: ['service'],
    source: 'stats.ipcs.service<S>.*.queued',
    read: ({ clients }, emit) => {
      for (const { service, eventsWaiting } of clients) emit(eventsWaiting, service);
    },
  },
  {
    name: 'rondo_slow_clients',
    type: 'gauge',
    help: 'Clients for which events wait.',
    labels: ['service'],
    source: 'stats.ipcs.service<S>.*.queueing',
    read: ({ clients }, emit) => {
      for (const { service, slowClients } of clients) emit(slowClients, service);
    },
  },
  {
    name: 'rondo_pauses',
    type: 'counter',
    help: 'Times that this node did not get to run for most of a token timeout.',
    source: 'counted with stats.schedmiss.*',
    read: ({ pauses }, emit) => emit(pauses.count),
  },
  {
    name: 'rondo_pause_seconds',
    type: 'counter',
    unit: 'seconds',
    help: 'Time that was lost so.',
    source: 'counted with stats.schedmiss.*',
    read: ({ pauses }, emit) => emit(seconds(pauses.totalMs)),
  },
  {
    name: 'rondo_heap_used_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'JavaScript heap in use, by thread.',
    labels: ['thread'],
    source: 'V8; that of the ring thread is asked once in five seconds at most',
    read: ({ memory }, emit) => {
      for (const { thread, usedBytes } of memory.heaps) emit(usedBytes, thread);
    },
  },
  {
    name: 'rondo_heap_size_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'JavaScript heap that is reserved, by thread.',
    labels: ['thread'],
    source: 'V8',
    read: ({ memory }, emit) => {
      for (const { thread, sizeBytes } of memory.heaps) if (sizeBytes > 0) emit(sizeBytes, thread);
    },
  },
  {
    name: 'rondo_collections',
    type: 'counter',
    help: 'Runs of the garbage collector, by thread and kind.',
    labels: ['thread', 'kind'],
    source: 'V8, since metrics were switched on',
    read: ({ memory }, emit) => {
      for (const { thread, kind, count } of memory.collections) emit(count, thread, kind);
    },
  },
  {
    name: 'rondo_collection_seconds',
    type: 'counter',
    unit: 'seconds',
    help: 'Time that they took.',
    labels: ['thread', 'kind'],
    source: 'V8, since metrics were switched on',
    read: ({ memory }, emit) => {
      for (const { thread, kind, seconds: spent } of memory.collections) emit(spent, thread, kind);
    },
  },
  {
    name: 'rondo_collection_longest_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'The longest of them: so long the thread did nothing else.',
    labels: ['thread', 'kind'],
    source: 'V8, since metrics were switched on',
    read: ({ memory }, emit) => {
      for (const { thread, kind, longestSeconds } of memory.collections) emit(longestSeconds, thread, kind);
    },
  },
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory that the process has now.',
    source: 'rondo.process.resident_bytes',
    read: ({ memory }, emit) => emit(memory.residentBytes),
  },
  {
    name: 'process_cpu_seconds',
    type: 'counter',
    unit: 'seconds',
    help: 'Processor time of all threads.',
    source: 'the system',
    read: ({ memory }, emit) => emit(memory.cpuSeconds),
  },
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'When the daemon was started.',
    source: 'the system',
    read: ({ identity }, emit) => emit(seconds(identity.startedAtMs)),
  },
];

/** Everything that /metrics shows, in its order. */
export const METRICS: readonly Metric[] = [...EXPORTER, ...RING, ...MEMBERSHIP, ...LINKS, ...LOCAL];
