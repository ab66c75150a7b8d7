import { setTimeout as delay } from 'node:timers/promises';
import { RondoError } from '../../lib/errors.ts';
import { Peek } from '../../lib/qbring/reader.ts';
import { TurnShare } from '../../lib/turn-share.ts';
import { errnoName } from '../../os/errno.ts';
import { serverPidOfRing, socketName } from '../names.ts';
import {
  CONNECTION_RESPONSE_BYTES,
  ConnectionType,
  decodeConnectionResponse,
  IPC_LIMITS,
  isAccepted,
} from '../protocol.ts';
import type { ClientChannels } from './channels.ts';
import { ClientDatagrams } from './datagrams.ts';
import { dial } from './dial.ts';
import { ClientRings } from './rings.ts';
import { exchangeSetup, IpcConnectError } from './setup.ts';
import { SocketInput } from './socket-input.ts';
import { type ClientWire, SocketWire } from './wire.ts';

/** A response is looked for at every turn of the loop this long, then by a timer, rarely when it takes long. */
const SPIN_MS = 0.2;
const POLL_MS = 1;
const LONG_WAIT_MS = 200;
const LONG_POLL_MS = 10;
/**
 * Events are taken for this long in one turn, by all connections of the thread together. A number of events instead would make a reader lag
 * whose program also sends at full speed: every turn has its sends, and a few events only.
 */
const eventsShare = new TurnShare(1);
/** Of the event ring, for which bytes of the socket are read at a time. */
const SHARES = 8;
/** Events, and bytes of them, between two looks at the clock. */
const EVENTS_PER_LOOK = 64;
const BYTES_PER_LOOK = 64 * 1024;
/** Datagrams are not counted by anybody: taken until there are none. */
const UNCOUNTED = 2 ** 30;

export interface IpcClientHandler {
  /** `event` lies in the ring: valid during the call only. */
  event(event: Uint8Array): void;
  /** Whether many of them wait for the program: the next ones are taken in small portions then, one each turn. */
  isBehind?(): boolean;
  /** The connection ended; `null`: by `close()`. Called once. */
  closed(error: Error | null): void;
}

export interface IpcClientOptions {
  /** How long the set-up may take. A stock client waits for ever. */
  readonly connectTimeoutMs?: number;
  /** Gives the set-up up. */
  readonly signal?: AbortSignal;
}

const NOTHING = new Uint8Array(0);
const CONNECT_MS_DEFAULT = 30_000;

export { IpcConnectError } from './setup.ts';

interface PendingCall {
  readonly request: Uint8Array;
  readonly timeoutMs: number;
  readonly resolve: (response: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A client's connection to a libqb server, ours or stock's, without blocking the event loop (libqb-ipc.md 1.5, 3).
 *
 *   call():  request ring → semaphore → one byte on the socket … response ring (no byte: it is looked for)
 *   event(): one byte on the socket ← one chunk in the event ring
 *
 * or all three as datagrams, without bytes, where the daemon is set up so (libqb-ipc.md 3.9); or, to a node in this process, with doorbells
 * between threads instead of the socket (`local.ts`).
 *
 * One request is on its way at a time; further calls wait here, in order.
 */
export class IpcClient {
  private readonly calls: PendingCall[] = [];
  private waitingSinceMs = -1;
  private eventsPending = 0;
  private paused = false;
  private turnScheduled = false;
  private readingStopped = false;
  /** Length of the last event. */
  private eventBytes = 0;
  private ended = false;
  /** Why the connection ends, as soon as the last events are taken. */
  private ending: Error | null = null;
  /** They are: what is left is the response. */
  private hangUp: Error | null = null;
  private pollScheduled = false;

  /** A client whose messages and news have their ways already. */
  constructor(
    private readonly wire: ClientWire,
    private readonly channels: ClientChannels,
    private readonly handler: IpcClientHandler,
  ) {
    channels.onEvents(() => this.eventsAnnounced(UNCOUNTED));
    wire.listen({
      events: (count) => this.eventsAnnounced(count),
      response: () => this.lookForResponse(),
      gone: (cause) => this.hungUp(cause),
    });
  }

  /** Connects to `service` of the daemon with that IPC instance (empty: the stock names). */
  static async connect(
    service: string,
    instance: string,
    handler: IpcClientHandler,
    options: IpcClientOptions = {},
  ): Promise<IpcClient> {
    const name = socketName(service, instance);
    const { fd, uid } = dial(name);
    const input = new SocketInput(CONNECTION_RESPONSE_BYTES);
    const socket = input.socket(fd);
    try {
      const { connectTimeoutMs: timeoutMs = CONNECT_MS_DEFAULT, signal } = options;
      const setup = signal === undefined ? { timeoutMs } : { timeoutMs, signal };
      const bytes = await exchangeSetup(socket, input, name, IPC_LIMITS.messageBytesDefault, setup);
      const response = decodeConnectionResponse(bytes);
      if (typeof response === 'string') throw new IpcConnectError('EPROTO', `${name}: ${response}`);
      if (!isAccepted(response)) {
        const errno = errnoName(response.error);
        throw new IpcConnectError(errno, `${name}: the daemon refused the connection with ${errno}`);
      }
      if (response.type !== ConnectionType.SHARED_MEMORY && response.type !== ConnectionType.SOCKET) {
        throw new IpcConnectError(
          'ENOTSUP',
          `${name}: connection type ${response.type}; shared memory (1) and sockets (0) are supported`,
        );
      }
      const peer = { socketName: name, pid: serverPidOfRing(response.rings[0]) };
      const isRings = response.type === ConnectionType.SHARED_MEMORY;
      const channels = isRings ? new ClientRings(response, uid) : new ClientDatagrams(response, uid);
      return new IpcClient(new SocketWire(socket, fd, input, peer, isRings), channels, handler);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /**
   * Sends a request and waits for its response, a copy that belongs to the caller. Responses do not name the request that they
   * belong to, so one that does not come within `timeoutMs` (counted from sending) ends the connection.
   */
  call(request: Uint8Array, timeoutMs = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.ended) {
        reject(new RondoError('RONDO_IPC_HANGUP', 'the connection is closed'));
        return;
      }
      if (request.length > IPC_LIMITS.messageBytesDefault) {
        reject(new RondoError('RONDO_IPC_TOO_BIG', `request of ${request.length} bytes`));
        return;
      }
      this.calls.push({ request, timeoutMs, resolve, reject });
      if (this.calls.length === 1) this.sendNext();
    });
  }

  /** Sends a request that has no response, with its variable part behind it. `false`: flow control or a full ring, nothing was sent. */
  tryPost(request: Uint8Array, tail: Uint8Array = NOTHING): boolean {
    if (this.ended || this.ending !== null || this.channels.flowControl() !== 0) return false;
    return this.write(request, tail);
  }

  pauseEvents(): void {
    this.paused = true;
  }

  resumeEvents(): void {
    this.paused = false;
    this.scheduleTurn();
  }

  /** Whether the open connection keeps the process alive, as it does at first. A call on its way does in any case. */
  keepAlive(on: boolean): void {
    this.wire.keepAlive(on);
    this.channels.keepAlive(on);
  }

  /** Idempotent; pending calls fail. */
  close(): void {
    this.end(null);
  }

  private write(request: Uint8Array, tail: Uint8Array = NOTHING): boolean {
    if (!this.channels.trySend(request, tail)) return false;
    this.wire.requestSent();
    return true;
  }

  private sendNext(): void {
    const call = this.calls[0];
    if (call === undefined || this.ended) return;
    // Word 1 closes the ring for everything, word 2 for multicasts only, which `tryPost` minds.
    if (this.channels.flowControl() === 1 || !this.write(call.request)) {
      void delay(POLL_MS).then(() => this.sendNext());
      return;
    }
    this.waitingSinceMs = performance.now();
    this.lookForResponse();
  }

  private lookForResponse(): void {
    if (this.ended || this.waitingSinceMs < 0) return;
    const ring = this.channels.response;
    const found = ring.peek();
    if (found === Peek.FAULT) {
      this.end(new RondoError('RONDO_IPC_RING', `responses: ${ring.fault}`));
      return;
    }
    if (found === Peek.EMPTY) {
      if (this.hangUp !== null) {
        this.end(this.hangUp);
        return;
      }
      const waitedMs = performance.now() - this.waitingSinceMs;
      if (waitedMs > this.calls[0]!.timeoutMs) {
        this.end(new RondoError('RONDO_IPC_TIMEOUT', `no response within ${this.calls[0]!.timeoutMs} ms`));
      } else this.schedulePoll(waitedMs);
      return;
    }
    const response = ring.u8.slice(ring.offset, ring.offset + ring.length);
    ring.reclaim();
    ring.release();
    this.waitingSinceMs = -1;
    this.calls.shift()!.resolve(response);
    if (this.hangUp === null) this.sendNext();
  }

  private schedulePoll(waitedMs: number): void {
    if (this.pollScheduled) return;
    this.pollScheduled = true;
    const { announcesResponses } = this.wire;
    if (waitedMs < SPIN_MS && !announcesResponses) setImmediate(this.poll);
    else setTimeout(this.poll, waitedMs < LONG_WAIT_MS && !announcesResponses ? POLL_MS : LONG_POLL_MS);
  }

  private readonly poll = (): void => {
    this.pollScheduled = false;
    this.lookForResponse();
  };

  /** `false`: bytes of further events are read when these have been taken. */
  private eventsAnnounced(count: number): boolean {
    this.eventsPending = Math.min(this.eventsPending + count, UNCOUNTED);
    if (!this.turnScheduled) this.takeEvents();
    if (this.turnScheduled) this.readingStopped = true;
    return !this.turnScheduled;
  }

  private scheduleTurn(): void {
    if (this.turnScheduled || this.ended || this.eventsPending === 0) return;
    this.turnScheduled = true;
    eventsShare.later(this.turn);
  }

  private readonly turn = (): void => {
    this.turnScheduled = false;
    this.takeEvents();
    if (!this.readingStopped || this.turnScheduled || this.ended) return;
    this.readingStopped = false;
    this.wire.resume();
  };

  private takeEvents(): void {
    this.takeWaitingEvents();
    if (!this.ended) this.channels.waitForEvents(this.eventsPending === 0);
  }

  private takeWaitingEvents(): void {
    const ring = this.channels.event;
    let untilLook = 0;
    let bytesUntilLook = 0;
    let looks = 0;
    while (this.eventsPending > 0 && !this.paused && !this.ended) {
      if (untilLook === 0 || bytesUntilLook <= 0) {
        if (eventsShare.isOver() || (looks++ > 0 && this.handler.isBehind?.() === true)) {
          this.scheduleTurn();
          return;
        }
        untilLook = EVENTS_PER_LOOK;
        bytesUntilLook = BYTES_PER_LOOK;
      }
      const found = ring.peek();
      if (found === Peek.FAULT) {
        this.end(new RondoError('RONDO_IPC_RING', `events: ${ring.fault}`));
        return;
      }
      if (found === Peek.EMPTY) {
        this.eventsPending = 0; // a byte without a chunk: the server's mistake, harmless
        return;
      }
      this.eventsPending--;
      untilLook--;
      bytesUntilLook -= ring.length;
      this.takeEvent();
    }
  }

  /** The one that `peek` found. */
  private takeEvent(): void {
    const ring = this.channels.event;
    if (ring.length !== this.eventBytes) {
      this.eventBytes = ring.length;
      this.wire.setShare(this.channels.eventBytes / SHARES, ring.length);
    }
    this.handler.event(ring.u8.subarray(ring.offset, ring.offset + ring.length));
    if (this.ended) return;
    ring.reclaim();
    ring.release();
  }

  /** What the daemon wrote before it ended is still in the rings: the response to "shut down" comes just before the end. */
  private hungUp(cause: Error | null): void {
    if (this.ended || this.ending !== null) return;
    this.ending = this.wire.hangUpReason(this.paused, cause);
    this.takeLastEvents();
  }

  /** All of the ring, also for a reader that held: what is left here is lost with the mapping. Bytes on the socket may be lost already. */
  private readonly takeLastEvents = (): void => {
    const ring = this.channels.event;
    for (let taken = 0; !this.ended && ring.peek() !== Peek.EMPTY && ring.fault === null; taken++) {
      if (taken % EVENTS_PER_LOOK === EVENTS_PER_LOOK - 1 && eventsShare.isOver()) {
        eventsShare.later(this.takeLastEvents);
        return;
      }
      this.takeEvent();
    }
    if (this.ended) return;
    this.hangUp = this.ending;
    this.lookForResponse();
    this.end(this.hangUp);
  };

  private end(error: Error | null): void {
    if (this.ended) return;
    this.ended = true;
    this.wire.close();
    this.channels.close();
    const reason = error ?? new RondoError('RONDO_IPC_CLOSED', 'the connection was closed');
    for (const call of this.calls.splice(0)) call.reject(reason);
    this.handler.closed(error);
  }
}
