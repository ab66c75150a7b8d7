import type { AttachedClient } from '../lib/client-descriptor.ts';
import type { IpcFrontPorts } from './ipc-front.ts';
import { type ClientCounters, NO_COUNTERS } from './ipc-statistics.ts';
import type { ServiceClients } from './stats.ts';

/** How old the statistics of the ring thread's clients may be. */
const REMOTE_STATS_MS = 1_000;

/** Counters of the clients that the ring thread serves, which come by message: what is shown is as of the last response. */
export class RemoteStatistics {
  private counters = new Map<number, ClientCounters>();
  private askedMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly ports: Pick<IpcFrontPorts, 'remoteClients'>,
    /** How many clients there are. */
    private readonly clients: () => number,
  ) {}

  /** As last heard. */
  of(id: number): ClientCounters {
    this.refresh();
    return this.counters.get(id) ?? NO_COUNTERS;
  }

  remove(id: number): void {
    this.counters.delete(id);
  }

  refresh(): void {
    const nowMs = performance.now();
    if (this.clients() === 0 || nowMs - this.askedMs < REMOTE_STATS_MS) return;
    this.askedMs = nowMs;
    this.ports.remoteClients().then(
      (value) => {
        const clients = value as readonly { readonly id: number; readonly statistics: ClientCounters }[] | null;
        this.counters = new Map((clients ?? []).map(({ id, statistics }) => [id, statistics]));
      },
      () => {}, // the ring thread is ending
    );
  }
}

/** What connections are in sum, by service: `names` by id, also of services that have none. */
export function serviceSums(
  names: ReadonlyMap<number, string>,
  connections: Iterable<{ readonly serviceId: number; readonly statistics: ClientCounters }>,
): readonly ServiceClients[] {
  const sums = new Map(
    [...names].map(([id, service]) => [id, { service, connections: 0, eventsWaiting: 0, slowClients: 0 }]),
  );
  for (const { serviceId, statistics } of connections) {
    const sum = sums.get(serviceId);
    if (sum === undefined) continue;
    sum.connections++;
    sum.eventsWaiting += statistics.queued;
    if (statistics.queueing) sum.slowClients++;
  }
  return [...sums.values()];
}

type AnyClient = Pick<AttachedClient, 'serviceId' | 'pid' | 'euid' | 'processName'>;

/** A client in the flight recorder. */
export const clientFields = ({ serviceId, pid, euid, processName }: AnyClient) => ({
  service: serviceId,
  pid,
  uid: euid,
  name: processName,
});
