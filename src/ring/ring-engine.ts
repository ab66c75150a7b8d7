import type { ClientDescriptor } from '../bridge/messages.ts';
import type { SyncParticipant } from '../services/sync/sync-core.ts';
import type { RingEnvironment, RunningRing } from './running-ring.ts';
import type { RingHandler } from './service-router.ts';

/** A service engine that runs on the ring thread, with its clients: served in every turn of the loop. */
export interface RingEngine extends RingHandler {
  readonly serviceId: number;
  readonly sync: SyncParticipant;
  /** Takes a client over from the main thread. */
  attach(client: ClientDescriptor): void;
  /** Requests of all clients that have some. Returns how many were handled. */
  serve(nowMs: number): number;
  /** Whether a client's ring holds requests. */
  hasRequests(): boolean;
  /** Events become visible and clients are woken, once a turn. */
  finishTurn(nowMs: number): void;
  beforeSleep(): void;
  nextDeadlineMs(): number;
  /** Once per valid token, after it was sent on. */
  tokenSent(): void;
  syncChanged(inProgress: boolean): void;
  /** Messages that must still leave, before an orderly end. */
  readonly needsRetry: boolean;
  /** All connections end, with what has to be said about that on the ring. */
  closeAll(): void;
  describeClients(): readonly unknown[];
  /** For the state dump. */
  describe(): unknown;
}

export type MakeRingEngine = (env: RingEnvironment, ring: RunningRing) => RingEngine;
