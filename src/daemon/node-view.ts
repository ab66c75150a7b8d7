import { StateWord } from '../bridge/shared-layout.ts';
import type { TotemConfig } from '../config/totem-config.ts';
import type { ConnectivityView } from '../lib/connectivity.ts';
import { DURATION_SLOTS, type DurationReading, readDurations } from '../lib/durations.ts';
import type { RingId } from '../lib/ring-id.ts';
import { monotonicMs } from '../os/clock.ts';
import { CHANGE_PHASES, CHANGED_AT_KEY, phaseKey } from '../ring/phase-times.ts';
import type { LinkView, MemoryView, NodeIdentity, NodeSnapshot, PeerView, QuorumView } from '../web/view.ts';
import type { ScheduleWatch } from './schedule-watch.ts';
import type { RingCounters, ServiceClients } from './stats.ts';

/** Packets of the send queue that are neither free nor used: two stay empty, as in stock, and one is the main thread's reserve. */
const QUEUE_KEPT_BACK = 3;

/** What the daemon's parts show of themselves to those who only watch. Nothing here changes anything, and nothing waits. */
export interface ViewSources {
  readonly identity: Omit<NodeIdentity, 'nodeId' | 'name' | 'transport' | 'encrypted' | 'addresses'>;
  readonly counters: Pick<RingCounters, 'raw' | 'names'>;
  readonly watch: Pick<ScheduleWatch, 'total' | 'last'>;
  totem(): TotemConfig;
  /** Words of the memory that both threads see. */
  stateWord(index: number): number;
  quorum(): QuorumView;
  clients(): readonly ServiceClients[];
  memory(): MemoryView;
  /** What the nodes say of their links. */
  seen(): readonly ConnectivityView[];
}

export interface RingNow {
  readonly ringId: RingId;
  readonly members: readonly number[];
}

/** The view of this moment. */
export function nodeView(sources: ViewSources, ring: RingNow): NodeSnapshot {
  const { counters, watch } = sources;
  const totem = sources.totem();
  const counter = (name: string): number => counters.raw(name) ?? 0;
  const word = (index: number): number => sources.stateWord(index);
  const quorum = sources.quorum();
  const lastTokenMs = counter('srp.token_last_received_ms');
  const changedAt = counter(CHANGED_AT_KEY);
  return {
    identity: identityOf(sources, totem),
    ring: {
      ...ring,
      synchronised: word(StateWord.SYNC_IN_PROGRESS) === 0,
      silentMs: lastTokenMs === 0 ? null : Math.max(0, monotonicMs() - lastTokenMs),
      tokenMs: totem.timings.tokenMs,
    },
    nodes: peers(totem, ring.members, quorum),
    links: links(totem, ring.members, counter),
    seen: sources.seen(),
    quorum,
    queue: {
      usedPackets: Math.max(0, word(StateWord.QUEUE_TOTAL) - word(StateWord.QUEUE_FREE) - QUEUE_KEPT_BACK),
      freePackets: Math.max(0, word(StateWord.QUEUE_FREE)),
      packets: word(StateWord.QUEUE_TOTAL),
      level: word(StateWord.QUEUE_LEVEL),
      stalled: word(StateWord.STALLED) === 1,
    },
    clients: sources.clients(),
    pauses: {
      count: watch.total.count,
      totalMs: watch.total.ms,
      lastAtMs: watch.last?.timestampMs ?? null,
      lastMs: watch.last?.delayMs ?? 0,
    },
    memory: sources.memory(),
    lastChange: {
      phases: CHANGE_PHASES.map((phase) => ({ phase, ms: counter(phaseKey(phase)) / 1000 })),
      atMs: changedAt === 0 ? null : changedAt,
    },
    rotation: durations('rotation', counter),
    delivery: durations('delivery', counter),
    counter,
    namesOf: (prefix) => [...counters.names()].filter((name) => name.startsWith(prefix)),
  };
}

function identityOf({ identity }: ViewSources, totem: TotemConfig): NodeIdentity {
  const { nodeId, members, transport, crypto, links: own } = totem;
  return {
    ...identity,
    nodeId,
    name: members.find((member) => member.nodeId === nodeId)?.name ?? '',
    transport,
    encrypted: transport === 'knet' && crypto.cipher !== 'none',
    addresses: own.map(({ bindAddress }) => bindAddress),
  };
}

const durations = (name: string, counter: (name: string) => number): DurationReading =>
  readDurations(Array.from({ length: DURATION_SLOTS }, (_, at) => counter(`hist.${name}.${at}`)));

/** Nodes of the list, then members that are in no list (udp without one). */
function peers(totem: TotemConfig, members: readonly number[], { votes }: QuorumView): readonly PeerView[] {
  const listed = totem.members.map(({ nodeId, name }) => ({ nodeId, name }));
  const others = members
    .filter((nodeId) => listed.every((node) => node.nodeId !== nodeId))
    .map((nodeId) => ({ nodeId, name: `node ${nodeId}` }));
  return [...listed, ...others].map(({ nodeId, name }) => ({
    nodeId,
    name: name === '' ? `node ${nodeId}` : name,
    local: nodeId === totem.nodeId,
    member: members.includes(nodeId),
    votes: votes?.nodes.find((node) => node.nodeId === nodeId)?.votes ?? null,
  }));
}

/** Links to the other nodes. Only knet watches its links; over udp and udpu a node is reached as long as it is a member. */
function links(totem: TotemConfig, members: readonly number[], counter: (name: string) => number): readonly LinkView[] {
  const others = totem.members.filter(({ nodeId }) => nodeId !== totem.nodeId);
  return others.flatMap(({ nodeId, addresses }) =>
    addresses.flatMap((address, linkId): readonly LinkView[] => {
      if (address === null) return [];
      const base = { nodeId, linkId, address };
      if (totem.transport !== 'knet')
        return [{ ...base, connected: members.includes(nodeId), latencyUs: null, prefix: null }];
      const prefix = `stats.knet.node${nodeId}.link${linkId}.`;
      const connected = counter(`${prefix}connected`) === 1;
      return [{ ...base, connected, latencyUs: connected ? counter(`${prefix}latency_ave`) : null, prefix }];
    }),
  );
}
