import type { AttachedClient, ClientDescriptor } from '../lib/client-descriptor.ts';
import type { LogFunction } from '../lib/log.ts';
import type { FlightLog } from '../observe/flight/index.ts';
import type { StatsMap } from '../services/cmap/stats-map.ts';
import type { EngineHost } from '../services/host/engine-host.ts';
import type { FlowState } from '../services/host/flow-control.ts';
import type { IpcStats } from './stats.ts';

/**
 * The daemon's side of the clients: one socket a service, connections, flow control. Made over `src/ipc`; for a program whose node has no other
 * clients than itself, without sockets (`src/node`).
 */
export interface IpcFront {
  /** Clears up after daemons that are gone, and looks at what the kernel offers. */
  open(): void;
  /** Opens the service's socket. Connections are refused with TRY_AGAIN until `allow()`. */
  publish(serviceId: number, name: string): Promise<void>;
  /** Takes the socket away; connections of the service are closed. */
  withdraw(serviceId: number): void;
  /** The first synchronisation is over: clients may connect from now on, for ever. */
  allow(): void;
  flowControl(serviceId: number, state: FlowState): void;
  /** A connection that the ring thread serves has ended there. */
  remoteClosed(connectionId: number): void;
  /** The ring thread has responses, events, or the end for clients in this process. */
  newsForClients(): void;
  readonly stats: IpcStats;
  close(): Promise<void>;
}

/** What the clients' side asks of the daemon. */
export interface IpcFrontPorts {
  readonly log: LogFunction;
  /** For clients that come and go. */
  readonly flight: FlightLog;
  readonly statistics: Pick<StatsMap, 'add' | 'remove'>;
  readonly engines: Pick<EngineHost, 'isRemote' | 'serviceIds' | 'open' | 'request' | 'close'>;
  /** Whether a key of the map is 1: rights of users and groups (services.md 2.1). */
  isKeyOne(key: string): boolean;
  /** The ring thread serves this client from now on. */
  attach(client: ClientDescriptor): void;
  /** It serves a client in this process, whose messages travel in `shared`. */
  attachLocal(client: AttachedClient, shared: SharedArrayBuffer): void;
  /** Such a client has requests, room for events, or is gone. */
  knock(): void;
  /** The ring thread's result of the query `clients`. */
  remoteClients(): Promise<unknown>;
}
