import type { Icmap } from '../../config/icmap/index.ts';
import type { LogFunction } from '../../lib/log.ts';
import type { RingId } from '../../lib/ring-id.ts';
import type { EngineTimer, ServiceDeclaration } from '../engine.ts';
import type { QueueState } from './admission.ts';
import type { FlowState, QueueLevelValue } from './flow-control.ts';

/** What the host of the engines needs from the daemon (or from a test). */
export interface HostPorts {
  readonly nodeId: number;
  readonly cmap: Icmap;
  readonly log: LogFunction;
  readonly queue: QueueState;
  queueLevel(): QueueLevelValue;
  /** Monotonic milliseconds. */
  nowMs(): number;
  setTimer(delayMs: number, callback: () => void): EngineTimer;
  /** A whole message with its header to the ring, in group "a". `false`: no room. */
  mcast(serviceId: number, fn: number, message: Uint8Array): boolean;
  /** The engine's process phase of the sync of `ringId` is over; all that it sent came before. */
  syncDone(serviceId: number, ringId: RingId): void;
  /** For all connections of the service that exist now. */
  flowControl(serviceId: number, state: FlowState): void;
  /** Withdraws the service's IPC socket; its connections are closed already. */
  serviceStopped(serviceId: number): void;
}

/** An engine that runs elsewhere (cpg on the ring thread); the host only knows that it exists. */
export interface RemoteService extends ServiceDeclaration {
  /** Closes its connections and stops it; part of the orderly shutdown. */
  unload(): Promise<void>;
}
