import { type ConnectivityView, connectivityFaults, faultText } from '../lib/connectivity.ts';
import { ringIdText } from '../lib/ring-id.ts';
import type { PageChange, PageMatrix, PageState, Sample } from './page-state.ts';
import type { NodeSnapshot } from './view.ts';

/** The state of the node as the page gets it. */
export function pageState(
  view: NodeSnapshot,
  changes: readonly PageChange[],
  sample: Sample | null,
  atMs: number,
): PageState {
  const { identity, ring, quorum, queue, pauses, lastChange } = view;
  const { votes } = quorum;
  return {
    at: atMs,
    node: {
      id: identity.nodeId,
      name: identity.name,
      cluster: identity.cluster,
      transport: identity.transport,
      encrypted: identity.encrypted,
      version: identity.version,
      startedAt: Math.round(identity.startedAtMs),
    },
    ring: {
      id: ringIdText(ring.ringId),
      members: ring.members,
      synchronised: ring.synchronised,
      silentMs: ring.silentMs === null ? null : Math.round(ring.silentMs),
      tokenMs: ring.tokenMs,
      visits: view.counter('srp.orf_token_rx'),
    },
    nodes: view.nodes.map(({ nodeId, name, local, member, votes: given }) => ({
      id: nodeId,
      name,
      local,
      member,
      votes: given,
    })),
    links: view.links.map(({ nodeId, linkId, address, connected, latencyUs }) => ({
      node: nodeId,
      link: linkId,
      address,
      connected,
      latencyUs,
    })),
    quorum: {
      provider: quorum.provider,
      quorate: quorum.quorate,
      total: votes?.totalVotes ?? null,
      expected: votes?.expectedVotes ?? null,
      needed: votes?.neededVotes ?? null,
      words: quorum.words(),
    },
    queue: {
      used: queue.usedPackets,
      size: queue.packets,
      level: queue.level,
      stalled: queue.stalled,
    },
    clients: view.clients.map(({ service, connections, eventsWaiting }) => ({
      service,
      connections,
      waiting: eventsWaiting,
    })),
    pauses: { count: pauses.count, lastAt: pauses.lastAtMs, lastMs: Math.round(pauses.lastMs) },
    memory: { resident: view.memory.residentBytes },
    changes,
    phases: lastChange.atMs === null ? [] : lastChange.phases,
    sample,
  };
}

/** A cluster with more faults of a kind has one cause for them. */
const FAULTS_SHOWN = 64;

/** What all nodes see of their links, as the page gets it. */
export const pageMatrix = (seen: readonly ConnectivityView[]): PageMatrix => ({
  matrix: seen.flatMap(({ nodeId, links }) =>
    links.map(({ peerId, link, up, heard, latencyUs }) => ({ from: nodeId, to: peerId, link, up, heard, latencyUs })),
  ),
  faults: connectivityFaults(seen, FAULTS_SHOWN).map(faultText),
});

/** Of a view, what is told at once when it has changed: once a second is enough for all the rest. Cheap, as it is asked for four times a second. */
export function urgentPart({ ring, quorum, links, pauses }: NodeSnapshot): string {
  const { ringId, synchronised } = ring;
  const up = links.map(({ connected }) => (connected ? 1 : 0)).join('');
  return `${ringId.rep} ${ringId.seq} ${synchronised} ${quorum.quorate} ${pauses.count} ${up}`;
}
