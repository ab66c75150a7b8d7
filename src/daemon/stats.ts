import { CmapType } from '../lib/cmap-value.ts';
import { monotonicMs } from '../os/clock.ts';
import {
  IPC_CONNECTION_STATS,
  IPC_GLOBAL_STATS,
  KNET_HANDLE_STATS,
  KNET_LINK_STATS,
  PG_STATS,
  SRP_STATS,
  type StatsTable,
  statsValue,
  tableSource,
} from '../services/cmap/stats-keys.ts';
import type { StatsGroup, StatsMap, StatsSource } from '../services/cmap/stats-map.ts';

/**
 * The producers of the statistics map (services.md 5.8). Counters of the ring thread lie in memory that both threads see,
 * one double a name; `clear` remembers the value at that moment and subtracts it, because only the ring thread may write.
 */
export class RingCounters {
  private readonly slots = new Map<string, number>();
  private readonly zeroes = new Map<string, number>();

  constructor(private readonly values: () => Float64Array) {}

  add(names: readonly { readonly name: string; readonly slot: number }[]): void {
    for (const { name, slot } of names) this.slots.set(name, slot);
  }

  names(): Iterable<string> {
    return this.slots.keys();
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
const KNET_LINK_GAUGES = /\.(?:enabled|connected|mtu|latency_\w+|\w+_time_\w+)$/;
const KNET_PREFIX = 'stats.knet.';
const OWN_PREFIX = 'rondo.';
const KNET_GROUP = /^(?:handle|node\d+\.link\d+)\.$/;

export interface IpcConnectionStats {
  /** Between `service<S>.<pid>.<pointer>`, dots included: `service0.4711.0x1a.`. */
  readonly group: string;
  value(name: string): number | string | undefined;
}

export interface IpcStats {
  readonly active: number;
  readonly closed: number;
  connections(): Iterable<IpcConnectionStats>;
  clear(): void;
}

export function addStatistics(statistics: StatsMap, ring: RingCounters, ipc: () => IpcStats): void {
  const whole = (table: StatsTable) => () => [{ group: '', table }];
  statistics.add(
    tableSource({
      prefix: 'stats.pg.',
      groups: whole(PG_STATS),
      read: (_, name) => ring.raw(`srp.${name}`) ?? 0,
    }),
  );
  statistics.add(
    tableSource({
      prefix: 'stats.srp.',
      groups: whole(SRP_STATS),
      read: (_, name) => {
        if (name === 'time_since_token_last_received') return sinceToken(ring);
        return (SRP_GAUGES.has(name) ? ring.raw(`srp.${name}`) : ring.count(`srp.${name}`)) ?? 0;
      },
      clear: (group: StatsGroup) => {
        if (group === 'totem') ring.clear('srp.');
      },
    }),
  );
  statistics.add(knetSource(ring));
  statistics.add(ownSource(ring));
  statistics.add(ipcSource(ipc));
}

function sinceToken(ring: RingCounters): number {
  const lastMs = ring.raw('srp.token_last_received_ms') ?? 0;
  return lastMs === 0 ? 0 : Math.max(0, monotonicMs() - lastMs);
}

function knetSource(ring: RingCounters) {
  return tableSource({
    prefix: KNET_PREFIX,
    groups: () => {
      const groups = new Map<string, StatsTable>();
      for (const name of ring.names()) {
        if (!name.startsWith(KNET_PREFIX)) continue;
        const group = name.slice(KNET_PREFIX.length, name.lastIndexOf('.') + 1);
        if (!KNET_GROUP.test(group)) continue; // counters of our own: no tool of stock expects them here
        // Slots stay when a link is taken out of the configuration, its keys do not.
        if (group !== 'handle.' && ring.raw(`${KNET_PREFIX}${group}enabled`) === 0) continue;
        groups.set(group, group === 'handle.' ? KNET_HANDLE_STATS : KNET_LINK_STATS);
      }
      return [...groups].map(([group, table]) => ({ group, table }));
    },
    read: (group, name) => {
      const full = `${KNET_PREFIX}${group}${name}`;
      return (KNET_LINK_GAUGES.test(full) ? ring.raw(full) : ring.count(full)) ?? 0;
    },
    clear: (group: StatsGroup) => {
      if (group === 'knet') ring.clear(KNET_PREFIX);
    },
  });
}

/** Counters of our own, `rondo.…`: among others what was dropped and why. */
function ownSource(ring: RingCounters): StatsSource {
  return {
    prefix: OWN_PREFIX,
    discreet: true,
    *keys() {
      for (const name of ring.names()) if (name.startsWith(OWN_PREFIX)) yield name;
    },
    get(key) {
      const count = ring.count(key);
      return count === undefined ? undefined : statsValue(CmapType.U64, count);
    },
    clear(group) {
      if (group === 'knet') ring.clear(`${OWN_PREFIX}knet.`);
    },
  };
}

function ipcSource(ipc: () => IpcStats) {
  return tableSource({
    prefix: 'stats.ipcs.',
    groups: () => [
      { group: 'global.', table: IPC_GLOBAL_STATS },
      ...[...ipc().connections()].map(({ group }) => ({ group, table: IPC_CONNECTION_STATS })),
    ],
    read: (group, name) => {
      const stats = ipc();
      if (group === 'global.') return name === 'active' ? stats.active : stats.closed;
      for (const connection of stats.connections()) if (connection.group === group) return connection.value(name);
      return undefined;
    },
    clear: (group: StatsGroup) => {
      if (group === 'ipc') ipc().clear();
    },
  });
}
