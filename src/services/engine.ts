import type { Icmap, TrackCallback } from '../config/icmap/index.ts';
import type { LogFunction } from '../lib/log.ts';
import type { ConfigurationChange, RingId } from '../lib/ring-id.ts';

/**
 * The interface of a service engine: what Corosync calls a service. Our own engines (cmap, cfg, quorum, votequorum, …) and
 * engines loaded by configuration are written to it, and to nothing else of the daemon. (CPG runs on the ring thread, to
 * `src/ring/ring-engine.ts`.)
 *
 *   ServiceEngine: what it is            RunningService: what it does, from the start on
 *   ────────────────────────            ───────────────────────────────────────────────
 *   id, name, priority, …      start()  ring order                     clients
 *   calls: id, length, …      ───────►  messages[name]                 calls[name]       request → respond() once
 *   messages: names                     configurationChange            connectionOpened  event   ← dispatch() any time
 *                                       sync.init/process/activate     connectionClosed
 *
 * Every call into an engine happens on one thread, one at a time, in the order of the ring, and none before its start.
 */
export const ENGINE_INTERFACE_VERSION = 2;

/** One client connection as an engine sees it (libqb-ipc.md 4.4). */
export interface EngineConnection {
  /** Unique for the life of the daemon; never reused. */
  readonly id: number;
  readonly pid: number;
  readonly euid: number;
  readonly egid: number;
  /** The engine's own state for this connection. */
  context: unknown;
  /** Responds to the request in hand, or a deferred one. `message` is a whole response, 24-byte header included; copied. */
  respond(message: Uint8Array): void;
  /** Sends an event, 24-byte header included. It is copied, queued if the client is slow, and never blocks. */
  dispatch(message: Uint8Array): void;
  /** Cuts the connection; `connectionClosed` follows. */
  disconnect(reason: string): void;
}

/** A request of the client library, as far as it is known before the engine runs. */
export interface LibraryCall {
  /** Id of the request: 0..63, each once in an engine. */
  readonly id: number;
  /** Whether the request needs room in the Totem queue and no sync in progress (services.md 2.2). */
  readonly flowControl: boolean;
  /** Shorter requests, header included, never get to the engine: the response is INVALID_PARAM. */
  readonly requestBytesMin: number;
  /** The response when the request was not admitted, for clients that cannot cope with a bare 24-byte header. */
  rejection?(status: number): Uint8Array;
}

/** `request` is the whole request, 16-byte header included. It is valid during the call only. */
export type CallHandler = (connection: EngineConnection, request: Uint8Array) => void;
/** `payload` starts with the 16-byte header and is valid during the call only. Its lengths are not to be trusted. */
export type MessageHandler = (payload: Uint8Array, nodeId: number) => void;

/** Participation in the barrier protocol (services.md 3). */
export interface SyncHooks {
  init(transitional: readonly number[], members: readonly number[], ringId: RingId): void;
  /** Sends what the others need. `false`: not finished (queue full, waiting for a device); called again later. */
  process(): boolean;
  activate(): void;
  abort(): void;
}

export interface EngineTimer {
  cancel(): void;
}

/** What the daemon gives to an engine when it starts. */
export interface EngineContext {
  readonly nodeId: number;
  readonly log: LogFunction;
  /**
   * Multicasts function `fn` of this engine, in total order, to every node, the own one included. `payload` starts
   * with 16 bytes for the header, which this call fills in; it belongs to the host from then on. Never lost: while the send
   * queue is full it waits, in order with everything else that this engine sends.
   */
  send(fn: number, payload: Uint8Array): void;
  /** As `send`, but never waits. `false`: no room now, or earlier messages still wait; nothing was sent. */
  trySend(fn: number, payload: Uint8Array): boolean;
  /** Whether everything given to `send` is on its way: for the end of a sync phase, and for the last words of an engine. */
  flush(): boolean;
  /** Monotonic milliseconds. */
  nowMs(): number;
  setTimer(delayMs: number, callback: () => void): EngineTimer;
  isQuorate(): boolean;
  syncInProgress(): boolean;
}

/** What an engine of the main thread gets on top: the configuration map. */
export interface MainEngineContext extends EngineContext {
  readonly cmap: Icmap;
  /**
   * As `cmap.track`, with an end when the engine stops, and with a callback whose errors count as this engine's.
   * `mask` is made of `TrackEvent` bits.
   */
  track(key: string, mask: number, callback: TrackCallback): void;
}

/** What a service is: all that the daemon knows of it before it runs. */
export interface ServiceDeclaration<Call extends string = string, Message extends string = string> {
  /** 0..63; stock uses 0..7 (services.md 1.4). */
  readonly serviceId: number;
  /** Short name: IPC socket and key names. */
  readonly name: string;
  readonly description: string;
  /** An internal engine: no keys in cmap, no log lines, which stock's tools would show. */
  readonly hidden?: boolean;
  /** Higher numbers are unloaded first (services.md 11.4). */
  readonly unloadPriority: number;
  readonly allowInquorate: boolean;
  /** Clients are served while a synchronisation runs. Absent: they wait. */
  readonly servedDuringSync?: boolean;
  /** It decides whether the node is quorate: when it fails, the node is not. */
  readonly decidesQuorum?: boolean;
  /**
   * A process group of its own (totem.md 5.1): function 0 is its only message, and travels without the 16-byte header. Absent: the
   * messages travel with those of the other services.
   */
  readonly processGroup?: string;
  /** Requests of clients. None: no IPC socket. */
  readonly calls: Readonly<Record<Call, LibraryCall>>;
  /** Messages between the nodes; the index is the function number. */
  readonly messages: readonly Message[];
  /** Whether it takes part in synchronisation. */
  readonly takesPartInSync: boolean;
}

/** A service that runs on the main thread. */
export interface ServiceEngine<
  Context extends EngineContext = EngineContext,
  Call extends string = string,
  Message extends string = string,
> extends ServiceDeclaration<Call, Message> {
  /** Called once. What it throws keeps the engine out. */
  start(context: Context): RunningService<Call, Message> | Promise<RunningService<Call, Message>>;
}

/** A started engine: handlers for what its declaration names. */
export interface RunningService<Call extends string = string, Message extends string = string> {
  readonly calls: Readonly<Record<Call, CallHandler>>;
  readonly messages: Readonly<Record<Message, MessageHandler>>;
  readonly sync?: SyncHooks;
  /** `false`: not finished, call again. */
  stop?(): boolean;
  configurationChange?(change: ConfigurationChange): void;
  connectionOpened?(connection: EngineConnection): void;
  connectionClosed?(connection: EngineConnection): void;
  /** Another engine of this daemon failed and was stopped. */
  engineFailed?(serviceId: number): void;
  /** Text for the state dump (SIGUSR2). */
  dump?(): string;
}

/** Whether the engine has an IPC socket. */
export const hasClients = ({ calls }: ServiceDeclaration): boolean => Object.keys(calls).length > 0;

/** Stock's words for a message between nodes that an engine does not know: `count` is the number of those that it does. */
export function unknownMessageText(fn: number, serviceId: number, count: number): string {
  return `discarded unknown message ${fn} for service ${serviceId} (max id ${count})`;
}
