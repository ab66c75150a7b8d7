import type { FlowState } from '../services/host/flow-control.ts';
import type { IpcStats } from './stats.ts';

/** The daemon's side of the clients: one socket a service, connections, flow control. Made over `src/ipc`. */
export interface IpcFront {
  /** Opens the service's socket. Connections are refused with TRY_AGAIN until `allow()`. */
  publish(serviceId: number, name: string): Promise<void>;
  /** Takes the socket away; connections of the service are closed. */
  withdraw(serviceId: number): void;
  /** The first synchronisation is over: clients may connect from now on, for ever. */
  allow(): void;
  flowControl(serviceId: number, state: FlowState): void;
  /** A connection that the ring thread serves has ended there. */
  remoteClosed(connectionId: number): void;
  readonly stats: IpcStats;
  close(): Promise<void>;
}
