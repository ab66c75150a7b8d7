import { keyFileExposure, readKeyFile } from '../../config/key-material.ts';
import { type ListenAddress, listenAddressText, parseListenAddress } from '../../lib/listen-address.ts';
import type { LogLevel } from '../../lib/log.ts';
import { printable } from '../../lib/printable.ts';
import type { ArbiterClient, ArbiterCluster } from '../../qnet/arbiter.ts';
import { ALGORITHM_TITLES, Vote } from '../../qnet/ids.ts';
import { WEB_LIMITS } from '../../web/limits.ts';
import { openListeningSocket } from '../../web/listening-socket.ts';
import { cachedMetrics } from '../../web/metrics/exposition.ts';
import type { Metric } from '../../web/metrics/metric.ts';
import { WebServer } from '../../web/server.ts';
import { BearerToken } from '../../web/token.ts';

/** What the metrics of an arbiter are read from. */
export interface QnetdView {
  readonly arbiter: {
    readonly clients: { readonly size: number };
    readonly clusters: ReadonlyMap<string, Pick<ArbiterCluster, 'name' | 'clients'>>;
  };
  readonly counts: {
    readonly accepted: number;
    readonly refused: number;
    readonly received: number;
    readonly sent: number;
    readonly cut: number;
  };
  /** Of TLS. */
  readonly handshakes: { readonly begun: number; readonly delayed: number };
}

/** Everybody who reaches the port chooses names and makes clusters: a page shows so many, with names of so many characters. */
const CLUSTERS_SHOWN_MAX = 512;
const NODES_SHOWN_MAX = 4_096;
const NAME_CHARACTERS_MAX = 128;

/** Each cluster that is shown, and which of its nodes are. */
function* shown({ arbiter }: QnetdView): Generator<readonly [name: string, nodes: readonly ArbiterClient[]]> {
  let [clusters, nodes] = [0, 0];
  for (const { name, clients } of arbiter.clusters.values()) {
    if (++clusters > CLUSTERS_SHOWN_MAX) return;
    // A name that is cut could be another cluster's: it is left out.
    if (name.length > NAME_CHARACTERS_MAX) continue;
    const some = clients.slice(0, NODES_SHOWN_MAX - nodes);
    nodes += some.length;
    yield [printable(name), some];
  }
}

function hiddenNodes(view: QnetdView): number {
  let hidden = 0;
  for (const { clients } of view.arbiter.clusters.values()) hidden += clients.length;
  for (const [, nodes] of shown(view)) hidden -= nodes.length;
  return hidden;
}

const PER_NODE = ['cluster', 'node_id'] as const;

export const QNETD_METRICS: readonly Metric<QnetdView>[] = [
  {
    name: 'rondo_qnetd_clients',
    type: 'gauge',
    help: 'Connections of devices.',
    source: 'now',
    read: ({ arbiter }, emit) => emit(arbiter.clients.size),
  },
  {
    name: 'rondo_qnetd_clusters',
    type: 'gauge',
    help: 'Clusters of which a device is connected.',
    source: 'now',
    read: ({ arbiter }, emit) => emit(arbiter.clusters.size),
  },
  {
    name: 'rondo_qnetd_accepted',
    type: 'counter',
    help: 'Connections that were taken.',
    source: 'since the start',
    read: ({ counts }, emit) => emit(counts.accepted),
  },
  {
    name: 'rondo_qnetd_refused',
    type: 'counter',
    help: 'Connections that were refused because there were too many.',
    source: 'since the start',
    read: ({ counts }, emit) => emit(counts.refused),
  },
  {
    name: 'rondo_qnetd_cut',
    type: 'counter',
    help: 'Connections that were ended because their devices did not read, or to make room before INIT.',
    source: 'since the start',
    read: ({ counts }, emit) => emit(counts.cut),
  },
  {
    name: 'rondo_qnetd_tls_handshakes',
    type: 'counter',
    help: 'TLS handshakes that were begun.',
    source: 'since the start',
    read: ({ handshakes }, emit) => emit(handshakes.begun),
  },
  {
    name: 'rondo_qnetd_tls_delayed',
    type: 'counter',
    help: 'TLS handshakes that had to wait, because many were begun.',
    source: 'since the start',
    read: ({ handshakes }, emit) => emit(handshakes.delayed),
  },
  {
    name: 'rondo_qnetd_messages',
    type: 'counter',
    labels: ['direction'],
    help: 'Messages of the protocol.',
    source: 'since the start',
    read: ({ counts }, emit) => {
      emit(counts.received, 'received');
      emit(counts.sent, 'sent');
    },
  },
  {
    name: 'rondo_qnetd_cluster_nodes',
    type: 'gauge',
    labels: ['cluster', 'algorithm'],
    help: 'Nodes of the cluster whose devices are connected.',
    source: `now; ${CLUSTERS_SHOWN_MAX} clusters at most`,
    read: (view, emit) => {
      for (const [name, nodes] of shown(view))
        emit(nodes.length, name, ALGORITHM_TITLES[nodes[0]?.algorithm ?? 0] ?? '');
    },
  },
  {
    name: 'rondo_qnetd_node_has_vote',
    type: 'gauge',
    labels: PER_NODE,
    help: 'Whether the node has the vote of the arbiter.',
    source: `now; ${NODES_SHOWN_MAX} nodes at most`,
    read: (view, emit) => {
      for (const [name, nodes] of shown(view))
        for (const { nodeId, decidedVote } of nodes) emit(decidedVote === Vote.ACK ? 1 : 0, name, nodeId);
    },
  },
  {
    name: 'rondo_qnetd_hidden_nodes',
    type: 'gauge',
    help: 'Nodes that are not shown: there are too many, or the name of their cluster is too long.',
    source: 'now',
    read: (view, emit) => emit(hiddenNodes(view)),
  },
];

/** Serves them at `/metrics`, with `/healthz`. Throws when the address is none, is taken, or would show them to everybody. */
export function serveMetrics(
  where: { readonly metrics: string; readonly metrics_token_file: string },
  view: QnetdView,
  log: (level: LogLevel, message: string, kind?: string) => void,
): WebServer {
  const address = parseListenAddress(where.metrics);
  if (typeof address === 'string') throw new Error(`metrics=${where.metrics}: ${address}`);
  const token = tokenOf(where.metrics_token_file);
  if (token === null && address.kind === 'tcp' && !address.loopback)
    throw new Error(
      `metrics=${where.metrics}: everybody in the network could read it; give metrics_token_file=FILE, or a loopback address`,
    );
  const content = {
    metrics: cachedMetrics(QNETD_METRICS, () => view),
    page: null,
    health: () => '',
    readiness: () => '',
  };
  const access = { rules: { token, localNamesOnly: token === null, scheme: 'http' as const }, tls: null };
  const server = new WebServer(listening(address), content, access, (text) => log('warning', text, 'web'));
  server.open();
  return server;
}

function listening(address: ListenAddress): number {
  try {
    return openListeningSocket(address);
  } catch (error) {
    throw new Error(`metrics at ${listenAddressText(address)}: ${error instanceof Error ? error.message : error}`);
  }
}

function tokenOf(path: string): BearerToken | null {
  if (path === '') return null;
  const file = readKeyFile(path, WEB_LIMITS.tokenBytesMax + 2);
  try {
    const exposure = keyFileExposure(file, process.geteuid?.() ?? 0);
    if (exposure !== null) throw new Error(`metrics_token_file=${path}: it is not secret: ${exposure}`);
    const token = BearerToken.from(file.bytes);
    if (typeof token === 'string') throw new Error(`metrics_token_file=${path}: ${token}`);
    return token;
  } finally {
    file.bytes.fill(0);
  }
}
