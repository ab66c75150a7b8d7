import { readFileSync } from 'node:fs';
import { getLimit } from '../../os/schedule.ts';
import { IPC_LIMITS } from '../protocol.ts';

/** How clients' messages travel: rings in shared memory, or datagrams (`system.qb_ipc_type`). */
export type IpcTransport = 'shm' | 'socket';

/** Bounds on what local users can take, all of them by user and in all. What root needs is kept back from the others. */
export const CLIENT_LIMITS = {
  /** Connections in all, if descriptors and mappings allow as many. */
  connectionsMax: 4096,
  /** One user who is not privileged: this share of all. */
  userShare: 1 / 4,
  /** Kept back for root, and for the user that runs the daemon. */
  reservedShare: 1 / 8,
  /** Clients that have connected and not asked yet; one more ends the oldest of the user who has most of them. */
  silentMax: 512,
  silentPerUserMax: 32,
  silentMs: 30_000,
  /** Handshakes of one user that wait for their turn; one more gets TRY_AGAIN. Root's do not wait. */
  waitingPerUserMax: 128,
  /**
   * Clients of one user, at once and in a second, that have no right or are gone before their turn; beyond, his connections are
   * closed without a word. Root's are not counted.
   */
  wasteAtOnce: 64,
  wastePerSecond: 32,
} as const;

/** A connection in use: three headers, three rings mapped twice, and the gap behind them. */
const MAPPINGS_PER_CONNECTION = 10;
/** What Node.js, V8 and the rings of the network use at most, and the share of all mappings that stays free for them. */
const MAPPINGS_OF_THE_PROCESS = 2_000;
const MAPPINGS_FREE_SHARE = 0.1;
/** Socket and directory, until the client's first byte; over datagrams two more sockets and the control file. */
const DESCRIPTORS_PER_CONNECTION = { shm: 2, socket: 5 } as const;
/** What the daemon has open, and those that stock keeps back (libqb-ipc.md 4.3). */
const DESCRIPTORS_OF_THE_PROCESS = 192;
const CONNECTIONS_MIN = 8;

/** How many connections this process can have, by what the kernel allows it. */
export function connectionsMax(descriptors: number, mappings: number, transport: IpcTransport = 'shm'): number {
  const byMappings = (mappings * (1 - MAPPINGS_FREE_SHARE) - MAPPINGS_OF_THE_PROCESS) / MAPPINGS_PER_CONNECTION;
  const byDescriptors = (descriptors - DESCRIPTORS_OF_THE_PROCESS) / DESCRIPTORS_PER_CONNECTION[transport];
  return Math.max(CONNECTIONS_MIN, Math.floor(Math.min(CLIENT_LIMITS.connectionsMax, byMappings, byDescriptors)));
}

/** The same with the numbers of this machine. */
export function connectionsMaxHere(transport: IpcTransport = 'shm'): number {
  let mappings = 65_530;
  try {
    mappings = Number(readFileSync('/proc/sys/vm/max_map_count', 'latin1'));
  } catch {
    // Linux's default
  }
  return connectionsMax(getLimit('NOFILE').soft, mappings, transport);
}

/** What a connection counts: large rings take the address space of several. */
export const connectionWeight = (maxMessageBytes: number): number =>
  Math.ceil(maxMessageBytes / IPC_LIMITS.messageBytesDefault);

/** Root, and the user that runs the daemon, who could stop it anyway. */
export const isPrivileged = (uid: number): boolean => uid === 0 || uid === process.geteuid?.();
