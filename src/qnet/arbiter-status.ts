import { printable } from '../lib/printable.ts';
import type { Arbiter, ArbiterClient, ArbiterCluster, ArbiterSettings } from './arbiter.ts';
import {
  ALGORITHM_TITLES,
  DecisionAlgorithm,
  HEURISTICS_NAMES,
  Heuristics,
  TieBreakerMode,
  TLS_MODE_NAMES,
  TlsMode,
  VOTE_NAMES,
  Vote,
} from './ids.ts';
import { type QnetNode, type QnetTieBreaker, qnetRingText } from './messages.ts';

export interface StatusFacts {
  /** `address:port`; several, with a comma and a blank between. */
  readonly listening: string;
  /** 0: no limit. */
  readonly clientsMax: number;
}

/** `status` of the control socket, in stock's words (qnet.md 7). */
export function arbiterStatusText(
  arbiter: Arbiter,
  settings: ArbiterSettings,
  facts: StatusFacts,
  verbose: boolean,
): string {
  const { tls, clientCertificateRequired, sendBytesMax, receiveBytesMax } = settings;
  const certificate = tls !== TlsMode.UNSUPPORTED && clientCertificateRequired ? ' (client certificate required)' : '';
  const lines = [
    `QNetd address:\t\t\t${facts.listening}`,
    `TLS:\t\t\t\t${TLS_MODE_NAMES[tls]}${certificate}`,
    `Connected clients:\t\t${arbiter.clients.size}`,
    `Connected clusters:\t\t${arbiter.clusters.size}`,
  ];
  if (verbose && facts.clientsMax !== 0) lines.push(`Maximum allowed clients:\t${facts.clientsMax}`);
  if (verbose) lines.push(`Maximum send/receive size:\t${sendBytesMax}/${receiveBytesMax} bytes`);
  return lines.map((line) => `${line}\n`).join('');
}

/** `list` of the control socket. `only`: the name of a cluster, or empty for all. */
export function arbiterListText(arbiter: Arbiter, only: string, verbose: boolean): string {
  return [...arbiter.clusters.values()]
    .filter(({ name }) => only === '' || name === only)
    .map((cluster) =>
      clusterLines(cluster, verbose)
        .map((line) => `${line}\n`)
        .join(''),
    )
    .join('');
}

function clusterLines(cluster: ArbiterCluster, verbose: boolean): string[] {
  const lines = [`Cluster "${printable(cluster.name)}":`];
  const [first] = cluster.clients;
  if (first !== undefined) {
    const keeps = cluster.clients.every(keepsActive) ? ' (KAP Tie-breaker)' : '';
    lines.push(`    Algorithm:\t\t${ALGORITHM_TITLES[first.algorithm]}${keeps}`);
    lines.push(`    Tie-breaker:\t${tieBreakerText(first.tieBreaker)}`);
  }
  for (const client of cluster.clients) lines.push(...clientLines(client, verbose));
  return lines;
}

const keepsActive = ({ algorithm, keepsActivePartition }: ArbiterClient): boolean =>
  algorithm === DecisionAlgorithm.FFSPLIT && keepsActivePartition;

export function tieBreakerText({ mode, nodeId }: QnetTieBreaker): string {
  if (mode === TieBreakerMode.LOWEST) return 'Node with lowest node ID';
  return mode === TieBreakerMode.HIGHEST ? 'Node with highest node ID' : `Node with node ID ${nodeId}`;
}

function clientLines(client: ArbiterClient, verbose: boolean): string[] {
  const { heuristics, membershipHeuristics, regularHeuristics } = client;
  const lines = [`    Node ID ${client.nodeId}:`, `        Client address:\t\t${client.address}`];
  if (verbose) lines.push(`        HB interval:\t\t${client.heartbeatMs}ms`);
  if (client.configVersion !== null) lines.push(`        Configuration version:\t${client.configVersion}`);
  if (client.configuration.length > 0) lines.push(`        Configured node list:\t${nodesText(client.configuration)}`);
  if (verbose) lines.push(`        Ring ID:\t\t${qnetRingText(client.ringId)}`);
  if (client.membership.length > 0) lines.push(`        Membership node list:\t${nodesText(client.membership)}`);
  if (verbose || heuristics !== Heuristics.UNDEFINED) {
    const [membership, regular] = [membershipHeuristics, regularHeuristics].map((result) => HEURISTICS_NAMES[result]);
    const more = verbose ? ` (membership: ${membership}, regular: ${regular})` : '';
    lines.push(`        Heuristics:\t\t${HEURISTICS_NAMES[heuristics]}${more}`);
  }
  if (verbose) {
    const verified = client.tlsStarted && client.certificateVerified ? ' (client certificate verified)' : '';
    lines.push(`        TLS active:\t\t${client.tlsStarted ? 'Yes' : 'No'}${verified}`);
  }
  if (client.vote !== Vote.UNDEFINED) {
    const decided = client.decidedVote === Vote.UNDEFINED ? '' : ` (${VOTE_NAMES[client.decidedVote]})`;
    lines.push(`        Vote:\t\t\t${VOTE_NAMES[client.vote]}${decided}`);
  }
  return lines;
}

const nodesText = (nodes: readonly QnetNode[]): string =>
  nodes
    .map(({ nodeId, dataCenterId }) => (dataCenterId === 0 ? `${nodeId}` : `${nodeId} (${dataCenterId})`))
    .join(', ');

/** The same as an object for JSON. */
export function arbiterStatusObject(arbiter: Arbiter, settings: ArbiterSettings, facts: StatusFacts): object {
  return {
    listening: facts.listening.split(', '),
    tls: TLS_MODE_NAMES[settings.tls]?.toLowerCase(),
    clientCertificateRequired: settings.clientCertificateRequired,
    clientsMax: facts.clientsMax,
    clients: arbiter.clients.size,
    clusters: [...arbiter.clusters.values()].map(({ name, clients }) => ({
      name,
      algorithm: ALGORITHM_TITLES[clients[0]?.algorithm ?? 0],
      tieBreaker: clients[0] === undefined ? null : tieBreakerText(clients[0].tieBreaker),
      keepsActivePartition: clients.every(keepsActive),
      nodes: clients.map((client) => ({
        nodeId: client.nodeId,
        address: client.address,
        heartbeatMs: client.heartbeatMs,
        configVersion: client.configVersion === null ? null : String(client.configVersion),
        configured: client.configuration.map(({ nodeId }) => nodeId),
        members: client.membership.map(({ nodeId }) => nodeId),
        ringId: qnetRingText(client.ringId),
        heuristics: HEURISTICS_NAMES[client.heuristics],
        tls: client.tlsStarted,
        certificateVerified: client.certificateVerified,
        vote: client.vote === Vote.UNDEFINED ? null : VOTE_NAMES[client.vote],
        decidedVote: client.decidedVote === Vote.UNDEFINED ? null : VOTE_NAMES[client.decidedVote],
      })),
    })),
  };
}
