import type { TotemChanges, TotemConfig } from '../config/totem-config.ts';
import type { AttachedClient, ClientDescriptor } from '../lib/client-descriptor.ts';
import type { Collections } from '../lib/collections.ts';
import type { LogLevel, LogSubsystem } from '../lib/log.ts';
import type { ConfigurationChange, RingId } from '../lib/ring-id.ts';
import type { SyncStep } from '../lib/sync-step.ts';

/**
 * What the main thread and the ring thread send each other: two chunk rings, one each way, a doorbell each.
 *
 *   record: | u32 kind | u32 argument | payload … |
 *
 * `mcast`, `deliver` and keys are bytes; everything else is rare and travels as JSON of the two closed sets below.
 */
export const RecordKind = {
  /** Both ways. JSON of `ToRing` or `FromRing`. */
  JSON: 1,
  /** To the ring. argument = service << 16 | function; payload = the message, header filled in. */
  MCAST: 2,
  /** From the ring, in total order. argument = sender's node id; payload = a message of an engine on the main thread. */
  DELIVER: 3,
  /** To the ring, before the `start` or `reconfigure` that needs it: a key (key-box.ts). */
  KEY: 4,
} as const;
export const RECORD_HEADER_BYTES = 8;

/** What the ring thread knows of an engine on the main thread. */
export interface RemoteEngine {
  readonly serviceId: number;
  readonly takesPartInSync: boolean;
  /** Its own process group; `null`: its messages travel with those of the other services. */
  readonly processGroup: string | null;
}

/** A process somewhere in the cluster. */
export interface ProcessPlace {
  readonly nodeId: number;
  readonly pid: number;
}

/** Main thread → ring thread. */
export type ToRing =
  | {
      readonly op: 'start';
      readonly config: TotemConfig;
      /** Highest ring sequence ever written to disk, and how far it is reserved now. */
      readonly storedRingSeq: number;
      readonly reservedRingSeq: number;
      /** Whether changes of process groups are reported (`processes`). */
      readonly reportProcesses: boolean;
      /** The engines on the main thread. */
      readonly remoteServices: readonly RemoteEngine[];
    }
  /** Response to the first `interfaceUp`: all services are there, the ring may form (services.md 11.1). */
  | { readonly op: 'servicesLoaded' }
  | { readonly op: 'reconfigure'; readonly config: TotemConfig }
  /** A key was set that acts at run time: what it changed. */
  | { readonly op: 'change'; readonly changes: TotemChanges }
  /** The virtual Ethernet device: a descriptor that belongs to the ring thread from now on; -1: none. */
  | { readonly op: 'nozzle'; readonly fd: number }
  /** One delivered reload is over: `reconfigure`, and the first crypto message if there is one, precede this record. */
  | { readonly op: 'reloadDone' }
  | { readonly op: 'ringSeqReserved'; readonly upTo: number }
  | { readonly op: 'clientAttach'; readonly client: ClientDescriptor }
  /** A client in this process; its memory comes through the port of the worker's data before this record. */
  | { readonly op: 'localAttach'; readonly client: AttachedClient }
  /** Response to a `process` step: the engine's process phase succeeded and all that it sent precedes this record. */
  | { readonly op: 'syncDone'; readonly serviceId: number; readonly ringId: RingId }
  | { readonly op: 'forceGather' }
  | { readonly op: 'query'; readonly queryId: number; readonly what: RingQuery }
  /** Closes the clients of a ring-thread engine (cpg multicasts its leaves), part of the orderly shutdown. */
  | { readonly op: 'unloadService'; readonly serviceId: number }
  /** Drain the queues, send the leave message, close the sockets, respond with `stopped`. */
  | { readonly op: 'stop' }
  /** Close the sockets and end at once, without a leave message: to the others this node died. */
  | { readonly op: 'die' }
  /** Do nothing at all while the state word PAUSED is 1: to the others this node hangs. */
  | { readonly op: 'pause' }
  /** Hear nothing from these IPv4 addresses: to this node the network has parted. */
  | { readonly op: 'deafTo'; readonly addresses: readonly string[] };

/** `heap`: bytes in use on the ring thread's heap, for watching that it allocates nothing in steady state. */
export type RingQuery = 'links' | 'clients' | 'engines' | 'stats' | 'heap';

/** Response to `heap`: the ring thread's own. Collections are counted from the first such question on. */
export interface RingHeap {
  readonly usedBytes: number;
  readonly collections: readonly Collections[];
}

/** Ring thread → main thread. */
export type FromRing =
  | { readonly op: 'ready' }
  /**
   * Slots of the shared statistics that have a name now (shared-layout.ts): `srp.<name>` and `rondo.dropped.totem.<reason>` of the Totem core
   * (its `msg_…` are those of stats.pg), `knet.…` of the transport, `rondo.…` of our own.
   */
  | { readonly op: 'statistics'; readonly names: readonly { readonly name: string; readonly slot: number }[] }
  | { readonly op: 'interfaceUp' }
  | { readonly op: 'reserveRingSeq'; readonly upTo: number }
  /** No ring can form, because no number for it is on disk; reported at most ten times a second. */
  | { readonly op: 'ringSeqMissing' }
  | { readonly op: 'configurationChange'; readonly change: ConfigurationChange }
  | { readonly op: 'sync'; readonly step: SyncStep }
  | { readonly op: 'syncCompleted'; readonly ringId: RingId }
  /** Nothing but its socket is left of it, shut down: the main thread closes that. */
  | { readonly op: 'clientClosed'; readonly id: number }
  /** Processes joined or left a group, on whatever node; a part of them when there are many. */
  | {
      readonly op: 'processes';
      readonly group: string;
      readonly joined: readonly ProcessPlace[];
      readonly left: readonly ProcessPlace[];
    }
  | { readonly op: 'log'; readonly level: LogLevel; readonly subsystem: LogSubsystem; readonly message: string }
  /** The ring thread did not get to run in time. */
  | { readonly op: 'paused'; readonly timestampMs: number; readonly delayMs: number; readonly thresholdMs: number }
  | { readonly op: 'queryResult'; readonly queryId: number; readonly value: unknown }
  /** A crypto reconfiguration did not work (totem.md 6.6, knet.md 5.4). */
  | { readonly op: 'cryptoFailed'; readonly reason: string }
  | { readonly op: 'fatal'; readonly code: string; readonly message: string }
  | { readonly op: 'serviceUnloaded'; readonly serviceId: number }
  /** `ringSeqUsed`: the last ring sequence that was used; 0 when the ring never started. */
  | { readonly op: 'stopped'; readonly ringSeqUsed: number };
