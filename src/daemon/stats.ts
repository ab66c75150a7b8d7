import type { TotemConfig } from '../config/totem-config.ts';
import { CmapType, type CmapTypeCode } from '../lib/cmap-value.ts';
import { dropKey } from '../lib/drop-key.ts';
import type { LogLosses } from '../observe/log/index.ts';
import { monotonicMs } from '../os/clock.ts';
import {
  IPC_GLOBAL_STATS,
  KNET_HANDLE_STATS,
  KNET_LINK_STATS,
  PG_STATS,
  SRP_STATS,
  type StatsTable,
} from '../services/cmap/stats-keys.ts';
import type { StatsMap } from '../services/cmap/stats-map.ts';
import { ENGINE_DROP_REASONS, type EngineDropReason } from '../services/host/engine-host.ts';

/**
 * The producers of the statistics map (services.md 5.8). Counters of the ring thread lie in memory that both threads see,
 * one double a name; `clear` remembers the value at that moment and subtracts it, because only the ring thread may write.
 */
export class RingCounters {
  private readonly slots = new Map<string, number>();
  private readonly zeroes = new Map<string, number>();
  private readonly below = new Map<string, readonly string[]>();

  constructor(private readonly values: () => Float64Array) {}

  add(names: readonly { readonly name: string; readonly slot: number }[]): void {
    for (const { name, slot } of names) this.slots.set(name, slot);
    this.below.clear();
  }

  names(): Iterable<string> {
    return this.slots.keys();
  }

  /** Those that begin so. Asked every second for a few prefixes; names are added seldom. */
  namesBelow(prefix: string): readonly string[] {
    let names = this.below.get(prefix);
    if (names === undefined) {
      names = [...this.slots.keys()].filter((name) => name.startsWith(prefix));
      this.below.set(prefix, names);
    }
    return names;
  }

  raw(name: string): number | undefined {
    const slot = this.slots.get(name);
    return slot === undefined ? undefined : this.values()[slot];
  }

  /** A counter since the last `clear`. */
  count(name: string): number | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : Math.max(0, value - (this.zeroes.get(name) ?? 0));
  }

  clear(prefix: string): void {
    for (const name of this.slots.keys()) if (name.startsWith(prefix)) this.zeroes.set(name, this.raw(name) ?? 0);
  }
}

/** Values that describe the present: they are shown as they are and are not cleared. */
const SRP_GAUGES = new Set([
  'continuous_gather',
  'continuous_sendmsg_failures',
  'firewall_enabled_or_nic_failure',
  'mtt_rx_token',
  'avg_token_workload',
  'avg_backlog_calc',
]);
const KNET_LINK_GAUGES = /^(?:enabled|connected|mtu|latency_\w+|\w+_time_\w+)$/;
/** Sums over the kinds of packets (knet.md 7.7). */
const LINK_SUMS: Readonly<Record<string, readonly string[]>> = {
  tx_total_packets: kinds('tx', 'packets'),
  tx_total_bytes: kinds('tx', 'bytes'),
  rx_total_packets: kinds('rx', 'packets'),
  rx_total_bytes: kinds('rx', 'bytes'),
  tx_total_errors: kinds('tx', 'errors'),
  /** Misnamed in stock: the sum of the *tx* retries. */
  rx_total_retries: kinds('tx', 'retries'),
};

const KNET_PREFIX = 'stats.knet.';
const OWN_PREFIX = 'rondo.';

export interface ServiceClients {
  readonly service: string;
  readonly connections: number;
  /** Events that wait in memory, and how many clients have such. */
  readonly eventsWaiting: number;
  readonly slowClients: number;
}

/** Connections of clients, as far as the statistics show them; each has a branch of its own (`stats.ipcs.service<S>.<pid>.<pointer>.`). */
export interface IpcStats {
  readonly active: number;
  readonly closed: number;
  clear(): void;
  /** What they are in sum, by service. */
  byService(): readonly ServiceClients[];
  /** Fetches counters that another thread has. */
  refresh(): void;
  /** Connections that have ended are gone from the map. */
  notice(): void;
}

function kinds(way: string, what: string): string[] {
  return ['data', 'ping', 'pong', 'pmtu'].map((kind) => `${way}_${kind}_${what}`);
}

export function addStatistics(statistics: StatsMap, ring: RingCounters, ipc: () => IpcStats): void {
  statistics.add({ prefix: 'stats.pg.', table: PG_STATS, read: (name) => ring.raw(`srp.${name}`) ?? 0 });
  statistics.add({
    prefix: 'stats.srp.',
    table: SRP_STATS,
    read: (name) => {
      if (name === 'time_since_token_last_received') return sinceToken(ring);
      return (SRP_GAUGES.has(name) ? ring.raw(`srp.${name}`) : ring.count(`srp.${name}`)) ?? 0;
    },
  });
  statistics.add({
    prefix: 'stats.ipcs.global.',
    table: IPC_GLOBAL_STATS,
    read: (name) => (name === 'active' ? ipc().active : ipc().closed),
  });
  statistics.onListing(() => ipc().refresh());
  statistics.onLook(() => ipc().notice());
  statistics.onClear((group) => {
    if (group === 'totem') {
      ring.clear('srp.');
      ring.clear(dropKey('totem', ''));
    }
    if (group === 'ipc') ipc().clear();
    if (group !== 'knet') return;
    ring.clear(KNET_PREFIX);
    ring.clear(dropKey('knet', ''));
  });
}

function sinceToken(ring: RingCounters): number {
  const lastMs = ring.raw('srp.token_last_received_ms') ?? 0;
  return lastMs === 0 ? 0 : Math.max(0, monotonicMs() - lastMs);
}

/** Keys of the links in a configuration: one branch a link of a node, the own node's only link is the way to itself. */
export function showLinks(statistics: StatsMap, ring: RingCounters, totem: TotemConfig): void {
  const wanted = new Map<string, StatsTable>();
  if (totem.transport === 'knet') {
    wanted.set(`${KNET_PREFIX}handle.`, KNET_HANDLE_STATS);
    for (const { nodeId, addresses } of totem.members) {
      for (const [link, address] of addresses.entries()) {
        if (nodeId === totem.nodeId ? link > 0 : address === null) continue;
        wanted.set(`${KNET_PREFIX}node${nodeId}.link${link}.`, KNET_LINK_STATS);
      }
    }
  }
  for (const prefix of [...statistics.branchesBelow(KNET_PREFIX)]) if (!wanted.has(prefix)) statistics.remove(prefix);
  for (const [prefix, table] of wanted) {
    if (statistics.has(prefix)) continue;
    statistics.add({ prefix, table, read: (name) => linkValue(ring, prefix, name) });
  }
}

function linkValue(ring: RingCounters, prefix: string, name: string): number {
  const parts = LINK_SUMS[name];
  if (parts !== undefined) return parts.reduce((sum, part) => sum + (ring.count(prefix + part) ?? 0), 0);
  const full = prefix + name;
  return (KNET_LINK_GAUGES.test(name) ? ring.raw(full) : ring.count(full)) ?? 0;
}

/** What the engines of this thread did not get, and why. */
export function showEngineDrops(statistics: StatsMap, drops: Readonly<Record<EngineDropReason, number>>): void {
  const prefix = dropKey('engines', '');
  const table: Record<string, CmapTypeCode> = {};
  const reasonOf = new Map<string, EngineDropReason>();
  for (const reason of ENGINE_DROP_REASONS) {
    const name = dropKey('engines', reason).slice(prefix.length);
    table[name] = CmapType.U64;
    reasonOf.set(name, reason);
  }
  const read = (name: string): number => drops[reasonOf.get(name) ?? 'short'];
  statistics.add({ prefix, table, discreet: true, read });
}

/** Log records that could not be written, by destination. */
export function showLogLosses(statistics: StatsMap, lost: () => LogLosses): void {
  const table: StatsTable = { file: CmapType.U64, syslog: CmapType.U64 };
  const read = (name: string): number => lost()[name as keyof LogLosses];
  statistics.add({ prefix: dropKey('log', ''), table, discreet: true, read });
}

/** `rondo.process.`: what this process has in memory now. */
export function showMemory(statistics: StatsMap): void {
  const table: StatsTable = { resident_bytes: CmapType.U64 };
  statistics.add({ prefix: `${OWN_PREFIX}process.`, table, discreet: true, read: () => process.memoryUsage.rss() });
}

/** `rondo.flight.file`: where the flight recorder is, for `rondo why`; empty: there is none. */
export function showFlight(statistics: StatsMap, path: string | null): void {
  const table: StatsTable = { file: CmapType.STRING };
  statistics.add({ prefix: `${OWN_PREFIX}flight.`, table, discreet: true, read: () => path ?? '' });
}

/** `rondo.config.`: which file this daemon has read, and as which node of its list where an option said so; for tools that look at the file again. */
export function showConfigSource(statistics: StatsMap, file: string, node: string | null): void {
  const table: StatsTable = { file: CmapType.STRING, node: CmapType.STRING };
  const read = (name: string): string => (name === 'file' ? file : (node ?? ''));
  statistics.add({ prefix: `${OWN_PREFIX}config.`, table, discreet: true, read });
}

/** Counters of our own, `rondo.…`: among others what was dropped and why. */
export function showOwnCounters(statistics: StatsMap, ring: RingCounters): void {
  const tables = new Map<string, Record<string, CmapTypeCode>>();
  for (const name of ring.names()) {
    if (!name.startsWith(OWN_PREFIX)) continue;
    const prefix = name.slice(0, name.lastIndexOf('.') + 1);
    const table = tables.get(prefix) ?? {};
    table[name.slice(prefix.length)] = CmapType.U64;
    tables.set(prefix, table);
  }
  for (const [prefix, table] of tables)
    statistics.add({ prefix, table, discreet: true, read: (name) => ring.count(prefix + name) });
}
