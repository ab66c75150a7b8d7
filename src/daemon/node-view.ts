import { StateWord } from '../bridge/shared-layout.ts';
import type { TotemConfig } from '../config/totem-config.ts';
import type { ConnectivityView } from '../lib/connectivity.ts';
import { DURATION_SLOTS, type DurationReading, readDurations } from '../lib/durations.ts';
import { once } from '../lib/once.ts';
import type { RingId } from '../lib/ring-id.ts';
import { monotonicMs } from '../os/clock.ts';
import { CHANGE_PHASES, CHANGED_AT_KEY, phaseKey } from '../ring/phase-times.ts';
import type {
  ChangeView,
  LinkView,
  MemoryView,
  NodeIdentity,
  NodeSnapshot,
  PausesView,
  PeerView,
  QueueView,
  QuorumView,
  RingView,
} from '../web/view.ts';
import type { ScheduleWatch } from './schedule-watch.ts';
import type { RingCounters, ServiceClients } from './stats.ts';

/** Packets of the send queue that are neither free nor used: two stay empty, as in stock, and one is the main thread's reserve. */
const QUEUE_KEPT_BACK = 3;

/** What the daemon's parts show of themselves to those who only watch. Nothing here changes anything, and nothing waits. */
export interface ViewSources {
  readonly identity: Omit<NodeIdentity, 'nodeId' | 'name' | 'transport' | 'encrypted' | 'addresses'>;
  readonly counters: Pick<RingCounters, 'raw' | 'namesBelow'>;
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

/** The view of this moment. Its parts are made when they are asked for first: who looks four times a second wants few of them. */
export function nodeView(sources: ViewSources, ring: RingNow): NodeSnapshot {
  const { counters } = sources;
  const totem = sources.totem();
  const counter = (name: string): number => counters.raw(name) ?? 0;
  const identity = once(() => identityOf(sources, totem));
  const ringView = once(() => ringOf(sources, ring, totem, counter));
  const quorum = once(() => sources.quorum());
  const nodes = once(() => peers(totem, ring.members, quorum()));
  const linkViews = once(() => links(totem, ring.members, counter));
  const queue = once(() => queueOf(sources));
  const clients = once(() => sources.clients());
  const memory = once(() => sources.memory());
  const lastChange = once(() => lastChangeOf(counter));
  const rotation = once(() => durations(ROTATION_NAMES, counter));
  const delivery = once(() => durations(DELIVERY_NAMES, counter));
  return {
    get identity() {
      return identity();
    },
    get ring() {
      return ringView();
    },
    get nodes() {
      return nodes();
    },
    get links() {
      return linkViews();
    },
    get seen() {
      return sources.seen();
    },
    get quorum() {
      return quorum();
    },
    get queue() {
      return queue();
    },
    get clients() {
      return clients();
    },
    get pauses() {
      return pausesOf(sources);
    },
    get memory() {
      return memory();
    },
    get lastChange() {
      return lastChange();
    },
    get rotation() {
      return rotation();
    },
    get delivery() {
      return delivery();
    },
    counter,
    namesOf: (prefix) => counters.namesBelow(prefix),
  };
}

function ringOf(
  sources: ViewSources,
  ring: RingNow,
  { timings }: TotemConfig,
  counter: (name: string) => number,
): RingView {
  const lastTokenMs = counter('srp.token_last_received_ms');
  return {
    ...ring,
    synchronised: sources.stateWord(StateWord.SYNC_IN_PROGRESS) === 0,
    silentMs: lastTokenMs === 0 ? null : Math.max(0, monotonicMs() - lastTokenMs),
    tokenMs: timings.tokenMs,
  };
}

function queueOf(sources: ViewSources): QueueView {
  const word = (index: number): number => sources.stateWord(index);
  return {
    usedPackets: Math.max(0, word(StateWord.QUEUE_TOTAL) - word(StateWord.QUEUE_FREE) - QUEUE_KEPT_BACK),
    freePackets: Math.max(0, word(StateWord.QUEUE_FREE)),
    packets: word(StateWord.QUEUE_TOTAL),
    level: word(StateWord.QUEUE_LEVEL),
    stalled: word(StateWord.STALLED) === 1,
  };
}

const pausesOf = ({ watch }: ViewSources): PausesView => ({
  count: watch.total.count,
  totalMs: watch.total.ms,
  lastAtMs: watch.last?.timestampMs ?? null,
  lastMs: watch.last?.delayMs ?? 0,
});

function lastChangeOf(counter: (name: string) => number): ChangeView {
  const changedAt = counter(CHANGED_AT_KEY);
  return {
    phases: CHANGE_PHASES.map((phase) => ({ phase, ms: counter(phaseKey(phase)) / 1000 })),
    atMs: changedAt === 0 ? null : changedAt,
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

const slotNames = (name: string): readonly string[] =>
  Array.from({ length: DURATION_SLOTS }, (_, at) => `hist.${name}.${at}`);
const ROTATION_NAMES = slotNames('rotation');
const DELIVERY_NAMES = slotNames('delivery');
const durations = (names: readonly string[], counter: (name: string) => number): DurationReading =>
  readDurations(names.map(counter));

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
