import type { ConnectionStatistics } from '../ipc/server/statistics.ts';
import { CmapType } from '../lib/cmap-value.ts';
import { IPC_CONNECTION_STATS } from '../services/cmap/stats-keys.ts';
import type { StatsBranch } from '../services/cmap/stats-map.ts';

/** Counters of a connection, of this thread or as last heard from the ring thread. */
export type ClientCounters = Omit<ConnectionStatistics, 'clear'>;
export const NO_COUNTERS: ClientCounters = {
  requests: 0,
  responses: 0,
  dispatched: 0,
  sendRetries: 0,
  recvRetries: 0,
  flowControl: 0,
  flowControlCount: 0,
  queueing: false,
  queued: 0,
  sent: 0,
  invalidRequest: 0,
  overload: 0,
  strangers: 0,
  wakes: 0,
  looks: 0,
  moderated: false,
};

export interface ClientIdentity {
  readonly id: number;
  readonly pid: number;
  readonly serviceId: number;
  readonly processName: string;
}

const POINTER_BASE = 0x55_5555_0000;
const POINTER_STEP = 0x40;

/** `stats.ipcs.service<S>.<pid>.<pointer>.`: the last part only has to look like a pointer and be unique. */
export const connectionPrefix = ({ id, pid, serviceId }: Omit<ClientIdentity, 'processName'>): string =>
  `stats.ipcs.service${serviceId}.${pid}.0x${(POINTER_BASE + id * POINTER_STEP).toString(16)}.`;

const READERS = new Map<string, (counters: ClientCounters) => number>([
  ['queueing', ({ queueing }) => (queueing ? 1 : 0)],
  ['queued', ({ queued }) => queued],
  ['sent', ({ sent }) => sent],
  ['flow_control', ({ flowControl }) => flowControl],
  ['flow_control_count', ({ flowControlCount }) => flowControlCount],
  ['invalid_request', ({ invalidRequest }) => invalidRequest],
  ['overload', ({ overload }) => overload],
  ['requests', ({ requests }) => requests],
  ['responses', ({ responses }) => responses],
  ['dispatched', ({ dispatched }) => dispatched],
  ['send_retries', ({ sendRetries }) => sendRetries],
  ['recv_retries', ({ recvRetries }) => recvRetries],
]);

const OWN_READERS = new Map<string, (counters: ClientCounters) => number>([
  ['wakes', ({ wakes }) => wakes],
  ['looks', ({ looks }) => looks],
  ['moderated', ({ moderated }) => (moderated ? 1 : 0)],
  ['strangers', ({ strangers }) => strangers],
]);
const OWN_TABLE = Object.fromEntries([...OWN_READERS.keys()].map((name) => [name, CmapType.U64]));

/** `rondo.ipcs.service<S>.<pid>.<pointer>.`: how often the client woke the ring thread, which stock does not count. */
export function ownConnectionBranch(
  client: Omit<ClientIdentity, 'processName'>,
  counters: () => ClientCounters,
): StatsBranch {
  return {
    prefix: ownConnectionPrefix(client),
    table: OWN_TABLE,
    discreet: true,
    read: (name) => OWN_READERS.get(name)?.(counters()),
  };
}

export const ownConnectionPrefix = (client: Omit<ClientIdentity, 'processName'>): string =>
  connectionPrefix(client).replace(/^stats/, 'rondo');

/** The keys of a connection in the statistics map (libqb-ipc.md 4.8). */
export function connectionBranch(client: ClientIdentity, counters: () => ClientCounters): StatsBranch {
  return {
    prefix: connectionPrefix(client),
    table: IPC_CONNECTION_STATS,
    read: (name) => (name === 'procname' ? client.processName : READERS.get(name)?.(counters())),
  };
}
