import type { Collections } from '../lib/collections.ts';
import type { ConnectivityView } from '../lib/connectivity.ts';
import type { DurationReading } from '../lib/durations.ts';
import type { RingId } from '../lib/ring-id.ts';
import type { VotesSummary } from '../lib/votes.ts';

/** What a node looks like at one moment, to whoever only watches: read from the statistics that there are, nothing is asked of the ring. */
export interface NodeSnapshot {
  readonly identity: NodeIdentity;
  readonly ring: RingView;
  /** In the order of the node list. */
  readonly nodes: readonly PeerView[];
  readonly links: readonly LinkView[];
  /** The links of all nodes that say how they see theirs, this one included. */
  readonly seen: readonly ConnectivityView[];
  readonly quorum: QuorumView;
  readonly queue: QueueView;
  /** By service. */
  readonly clients: readonly ClientsView[];
  readonly pauses: PausesView;
  readonly memory: MemoryView;
  readonly lastChange: ChangeView;
  readonly rotation: DurationReading;
  readonly delivery: DurationReading;
  /** A counter of the ring thread, 0 where there is none of that name. */
  counter(name: string): number;
  /** Names of counters that begin so. */
  namesOf(prefix: string): readonly string[];
}

export interface NodeIdentity {
  readonly nodeId: number;
  readonly name: string;
  readonly cluster: string;
  readonly transport: string;
  /** Of this node, by link. */
  readonly addresses: readonly string[];
  readonly encrypted: boolean;
  readonly version: string;
  /** Wall clock, milliseconds. */
  readonly startedAtMs: number;
}

export interface RingView {
  readonly ringId: RingId;
  readonly members: readonly number[];
  readonly synchronised: boolean;
  /** Milliseconds since the token was here; `null`: it never was. */
  readonly silentMs: number | null;
  /** Token timeout in force, milliseconds. */
  readonly tokenMs: number;
}

export interface PeerView {
  readonly nodeId: number;
  readonly name: string;
  readonly local: boolean;
  readonly member: boolean;
  /** Votes that it has given; `null`: not known, or there is no votequorum. */
  readonly votes: number | null;
}

/** A link to another node, as this one has it. */
export interface LinkView {
  readonly nodeId: number;
  readonly linkId: number;
  readonly address: string;
  readonly connected: boolean;
  /** knet only: mean of the latest round trips, microseconds; prefix of its counters. */
  readonly latencyUs: number | null;
  readonly prefix: string | null;
}

export interface QuorumView {
  /** Short name; empty: none. */
  readonly provider: string;
  readonly quorate: boolean;
  /** `null`: the provider counts no votes, or does not run yet. */
  readonly votes: VotesSummary | null;
  /** Why there is quorum, or none, and what would change that: a sentence each. */
  words(): readonly string[];
}

export interface QueueView {
  readonly usedPackets: number;
  readonly freePackets: number;
  /** All that it takes. */
  readonly packets: number;
  /** 0 low, 1 good, 2 high, 3 critical. */
  readonly level: number;
  /** The ring thread waits for the main thread. */
  readonly stalled: boolean;
}

export interface ClientsView {
  readonly service: string;
  readonly connections: number;
  /** Events that wait for clients that do not read, and how many clients have such. */
  readonly eventsWaiting: number;
  readonly slowClients: number;
}

export interface PausesView {
  readonly count: number;
  readonly totalMs: number;
  /** Wall clock, milliseconds; `null`: none. */
  readonly lastAtMs: number | null;
  readonly lastMs: number;
}

export interface MemoryView {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly heaps: readonly { readonly thread: string; readonly usedBytes: number; readonly sizeBytes: number }[];
  /** Runs of the garbage collector, by thread and kind. */
  readonly collections: readonly ({ readonly thread: string } & Collections)[];
}

export interface ChangeView {
  readonly phases: readonly { readonly phase: string; readonly ms: number }[];
  /** Wall clock, milliseconds; `null`: there was none. */
  readonly atMs: number | null;
}
