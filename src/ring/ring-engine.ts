import type { KeyBox } from '../bridge/key-box.ts';
import type { RingBridge } from '../bridge/ring-bridge.ts';
import type { ConnectionRings } from '../ipc/server/chunk-connection.ts';
import type { AttachedClient, ClientDescriptor } from '../lib/client-descriptor.ts';
import type { TransmitBuffers } from '../lib/transmit-buffers.ts';
import type { FlightLog } from '../observe/flight/index.ts';
import type { Arena } from '../os/arena.ts';
import type { SyncCore, SyncParticipant } from '../services/sync/sync-core.ts';
import type { ProcessGroups } from '../totem/index.ts';
import type { Wire } from '../transport/wire.ts';
import type { Deafness } from './deafness.ts';
import type { Descriptors } from './descriptors.ts';
import type { RingHandler } from './service-router.ts';
import type { SharedStatistics } from './shared-statistics.ts';

/** What the ring, its transport and its engines are made in. */
export interface RingEnvironment {
  readonly arena: Arena;
  readonly bridge: RingBridge;
  readonly descriptors: Descriptors;
  /** Of the ring's sockets. */
  readonly deafness: Deafness;
  readonly statistics: SharedStatistics;
  readonly keys: KeyBox;
  /** This thread's part of the flight recorder. */
  readonly flight: FlightLog;
  /** Threads that encrypt and send; `null`: there are none. */
  readonly transmit: TransmitBuffers | null;
  /** What the ring's datagrams travel on. */
  readonly wire: Wire;
}

/** The running ring, as an engine of this thread has it. */
export interface EngineRing {
  readonly nodeId: number;
  /** The main thread wants to know who joins and leaves groups. */
  readonly reportProcesses: boolean;
  /** Monotonic milliseconds, as of the loop's current turn. */
  nowMs(): number;
  /** Whether the send queue has room now for a message of `bytes`, its group name included; `shared`: several clients of this node send. */
  hasRoom(bytes: number, shared: boolean): boolean;
  /** A client that waited for its message has been woken. */
  wokeAhead(): void;
  /** Where messages go out; the memory of their parts is read during the calls. */
  readonly groups: Pick<ProcessGroups, 'mcast' | 'beginMessage' | 'append' | 'endMessage' | 'messageBytesMax'>;
  readonly sync: Pick<SyncCore, 'isInProgress'>;
}

/** A service engine that runs on the ring thread, with its clients: served in every turn of the loop. */
export interface RingEngine extends RingHandler {
  readonly serviceId: number;
  readonly sync: SyncParticipant;
  /** Takes a client over from the main thread. */
  attach(client: ClientDescriptor): void;
  /** The same for one in this process, with the memory that it shares with this thread. */
  attachLocal(client: AttachedClient, shared: SharedArrayBuffer): void;
  /** Takes over one of the warm-up, which has no files: its rings lie in the memory of the frames. */
  attachWithoutFiles(client: ClientDescriptor): ConnectionRings;
  /** Clients in this process have requests, room for events, or are gone. */
  knocked(): void;
  /** Requests of all clients that have some. Returns how many were handled. */
  serve(nowMs: number): number;
  /** Whether a client's ring holds requests. */
  hasRequests(): boolean;
  /** Clients that are left alone for a moment have sent all the time. */
  sendsSoon(): boolean;
  /** Events become visible and clients are woken, once a turn. */
  finishTurn(nowMs: number): void;
  beforeSleep(nowMs: number): void;
  nextDeadlineMs(): number;
  /** Once per valid token, after it was passed on to the transport, and mostly before it leaves this node. */
  tokenSent(): void;
  syncChanged(inProgress: boolean): void;
  /** Messages that must still leave, before an orderly end. */
  readonly needsRetry: boolean;
  /** All connections end, with the messages about that on the ring. */
  closeAll(): void;
  /** After `closeAll`, at the end of the thread: gives descriptors back, which a program that goes on would lose. */
  dispose(): void;
  describeClients(): readonly unknown[];
  /** For the state dump. */
  describe(): unknown;
}

export type MakeRingEngine = (env: RingEnvironment, ring: EngineRing) => RingEngine;
