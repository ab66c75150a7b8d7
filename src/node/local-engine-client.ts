import type { Channel, ChannelHandler } from '../client/channel.ts';
import type { RequestVerdict } from '../ipc/server/hosted-connection.ts';
import { ConnectionStatistics } from '../ipc/server/statistics.ts';
import type { AttachedClient } from '../lib/client-descriptor.ts';
import { RondoError } from '../lib/errors.ts';
import { TurnShare } from '../lib/turn-share.ts';
import type { EngineConnection } from '../services/engine.ts';

/** Requests and events of all clients of the engines, before the loop goes on with what else there is. */
const share = new TurnShare(1);
/** Events that a program may leave unread: what a daemon keeps for a client. */
const EVENT_BYTES_MAX = 64 << 20;
const EVENT_OVERHEAD_BYTES = 100;
/** One-way requests that may wait. */
const POSTS_MAX = 1000;

/** The engine, and whoever keeps count of its clients. */
export interface LocalEngine {
  request(connection: EngineConnection, request: Uint8Array): RequestVerdict;
  ended(client: LocalEngineClient, reason: string): void;
}

interface Request {
  readonly bytes: Uint8Array;
  /** `null`: nobody waits for a response. */
  readonly resolve: ((response: Uint8Array) => void) | null;
  readonly reject: (error: Error) => void;
}

/**
 * A client of an engine of the same thread: both ends of its connection. Requests and events never run within the caller: neither
 * does an engine see a request in the middle of its own work, nor a program an event in the middle of its own.
 */
export class LocalEngineClient implements Channel, EngineConnection {
  readonly id: number;
  readonly pid: number;
  readonly euid: number;
  readonly egid: number;
  readonly serviceId: number;
  readonly processName: string;
  readonly statistics = new ConnectionStatistics();
  context: unknown = undefined;
  private readonly requests: Request[] = [];
  private readonly events: Uint8Array[] = [];
  private eventBytes = 0;
  /** The request whose response is still to come. */
  private inHand: Request | null = null;
  private held = false;
  private scheduled = false;
  private open = true;

  constructor(
    client: AttachedClient,
    private readonly engine: LocalEngine,
    private readonly handler: ChannelHandler,
  ) {
    this.id = client.id;
    this.pid = client.pid;
    this.euid = client.euid;
    this.egid = client.egid;
    this.serviceId = client.serviceId;
    this.processName = client.processName;
  }

  // ---- the program's end ----

  call(request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => this.add({ bytes: new Uint8Array(request), resolve, reject }));
  }

  tryPost(request: Uint8Array, tail: Uint8Array = new Uint8Array(0)): boolean {
    if (!this.open || this.statistics.flowControl !== 0 || this.requests.length >= POSTS_MAX) return false;
    this.add({ bytes: Buffer.concat([request, tail]), resolve: null, reject: () => {} });
    return true;
  }

  pauseEvents(): void {
    this.held = true;
  }

  resumeEvents(): void {
    this.held = false;
    this.schedule();
  }

  close(): void {
    this.end(null, 'disconnected');
  }

  // ---- the engine's end ----

  respond(message: Uint8Array): void {
    const request = this.inHand;
    if (request === null) return;
    this.inHand = null;
    this.statistics.responses++;
    request.resolve?.(new Uint8Array(message));
    this.schedule();
  }

  dispatch(message: Uint8Array): void {
    if (!this.open) return;
    this.eventBytes += message.length + EVENT_OVERHEAD_BYTES;
    if (this.eventBytes > EVENT_BYTES_MAX) {
      this.disconnect('eventQueueFull');
      return;
    }
    this.events.push(new Uint8Array(message));
    this.statistics.queued = this.events.length;
    this.schedule();
  }

  disconnect(reason: string): void {
    const hint = this.held ? 'This program did not read its events' : "The node's log has the reason";
    this.end(
      new RondoError('RONDO_IPC_HANGUP', `the node of this program cut this connection: ${reason}`, hint),
      reason,
    );
  }

  /** The node is gone. */
  cut(): void {
    this.end(new RondoError('RONDO_IPC_HANGUP', 'the node of this program ended'), 'service withdrawn');
  }

  /** While it is not 0, requests wait. */
  setFlowControl(word: 0 | 1 | 2): void {
    if (word === this.statistics.flowControl) return;
    this.statistics.flowControl = word;
    this.statistics.flowControlCount++;
    this.schedule();
  }

  // ---- between them ----

  private add(request: Request): void {
    if (!this.open) {
      request.reject(new RondoError('RONDO_IPC_HANGUP', 'the connection is closed'));
      return;
    }
    this.requests.push(request);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled || !this.open) return;
    this.scheduled = true;
    if (share.isOver()) share.later(this.run);
    else queueMicrotask(this.run);
  }

  private readonly run = (): void => {
    this.scheduled = false;
    while (this.open && this.step()) {
      if (!share.isOver()) continue;
      this.schedule();
      return;
    }
  };

  /** One event, or one request; `false`: there is none whose turn it is. */
  private step(): boolean {
    const event = this.held ? undefined : this.events.shift();
    if (event !== undefined) {
      this.eventBytes -= event.length + EVENT_OVERHEAD_BYTES;
      this.statistics.dispatched++;
      this.statistics.queued = this.events.length;
      this.handler.event(event);
      return true;
    }
    if (this.inHand !== null || this.statistics.flowControl !== 0) return false;
    const request = this.requests.shift();
    if (request === undefined) return false;
    if (request.resolve !== null) this.inHand = request;
    this.statistics.requests++;
    const verdict = this.engine.request(this, request.bytes);
    if (verdict === 'invalid') this.statistics.invalidRequest++;
    else if (verdict === 'refused') this.statistics.overload++;
    return true;
  }

  private end(error: Error | null, reason: string): void {
    if (!this.open) return;
    if (error !== null) for (const event of this.events.splice(0)) this.handler.event(event);
    if (!this.open) return; // its handler closed it
    this.open = false;
    this.engine.ended(this, reason);
    const failure = error ?? new RondoError('RONDO_IPC_CLOSED', 'the connection was closed');
    if (this.inHand !== null) this.requests.unshift(this.inHand);
    this.inHand = null;
    for (const request of this.requests.splice(0)) request.reject(failure);
    this.events.length = 0;
    this.handler.closed(error);
  }
}
