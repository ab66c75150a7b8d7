import type { ClientDescriptor } from '../../lib/client-descriptor.ts';
import { monotonicMs } from '../../os/clock.ts';
import { FdWatcher } from '../../os/watch.ts';
import { Anticipation } from './anticipation.ts';
import { attachConnection } from './attach.ts';
import type { ServerConnection } from './connection.ts';
import { isPrivileged } from './limits.ts';
import type { RingPool } from './pool.ts';
import type { ConnectionStatistics } from './statistics.ts';
import type { UserTurns } from './user-turns.ts';

/** Why a request was not handed to a function of the service; counted per connection. */
export type RequestVerdict = 'admitted' | 'invalid' | 'refused';

/** The service behind a socket. Nothing here may wait; `request` is a copy that is valid during the call only. */
export interface ServiceHandler {
  opened(connection: HostedConnection): void;
  request(connection: HostedConnection, request: Uint8Array): RequestVerdict;
  closed(connection: HostedConnection): void;
}

/** What the server that owns the connections does for them. */
export interface ConnectionOwner {
  readonly handler: ServiceHandler;
  /** When clients of users that are not privileged are served, and their connections end. */
  readonly turns: UserTurns;
  /** Requests per turn of the loop, by the service's priority. */
  budget(): number;
  /** Events were committed: flush them at the end of this turn. */
  dirty(connection: HostedConnection): void;
  /** All committed events, of whatever connection, become visible now. */
  publishEvents(): void;
  /** Events queue in memory: try again when the client has read. */
  slow(connection: HostedConnection): void;
  /** It is not to be tried any more; its socket is about to be closed. */
  notSlow(connection: HostedConnection): void;
  ended(connection: HostedConnection, reason: string): void;
}

/** Requests are copied here before a handler sees them: their sender could change them meanwhile. One for all connections of the thread. */
let copy = new Uint8Array(64 * 1024);

/** A connection that libuv's thread serves. Has the shape of the engines' `EngineConnection`. */
export class HostedConnection {
  /** The engine's own. */
  context: unknown = undefined;
  private readonly watcher: FdWatcher;
  /** Of the socket on which requests come, where that is another one; paused while its requests have to wait. */
  private readonly input: FdWatcher | null;
  private inputPaused = false;
  private readonly privileged: boolean;
  private scheduled = false;
  private watchingWritable = false;
  /** Of a client that this thread may be awake for, and whose requests can be seen without a system call. */
  private readonly anticipation: Anticipation | null;
  /** It has its response, and may ask again at once. */
  private responded = false;
  /** Requests of this turn were waited for. */
  private cameBack = false;

  private constructor(
    private readonly core: ServerConnection,
    private readonly owner: ConnectionOwner,
  ) {
    this.privileged = isPrivileged(core.euid);
    this.watcher = new FdWatcher(core.fd, this.onReady);
    this.input = core.inputFd === core.fd ? null : new FdWatcher(core.inputFd, this.onInput);
    this.anticipation = this.privileged && this.input === null ? new Anticipation() : null;
  }

  /** Maps the rings and starts to watch; -errno if that is not possible, and the client is still the caller's. */
  static attach(pool: RingPool, client: ClientDescriptor, owner: ConnectionOwner): HostedConnection | number {
    const core = attachConnection(pool, client);
    return typeof core === 'number' ? core : new HostedConnection(core, owner);
  }

  get id(): number {
    return this.core.id;
  }
  get roomFd(): number {
    return this.core.roomFd;
  }
  get pid(): number {
    return this.core.pid;
  }
  get euid(): number {
    return this.core.euid;
  }
  get egid(): number {
    return this.core.egid;
  }
  get serviceId(): number {
    return this.core.serviceId;
  }
  get processName(): string {
    return this.core.processName;
  }
  get statistics(): ConnectionStatistics {
    return this.core.statistics;
  }
  get maxMessageBytes(): number {
    return this.core.maxMessageBytes;
  }
  get closed(): boolean {
    return this.core.closed;
  }

  /**
   * Responds to a request, now or later. Copied. What was dispatched before, to this client or to others, is visible first: who has the response
   * and then dispatches without waiting finds the events that the request caused.
   */
  respond(message: Uint8Array): void {
    const { core } = this;
    this.owner.publishEvents();
    if (core.closed) return;
    if (message.length > core.maxMessageBytes) {
      this.end(`response of ${message.length} bytes`);
      return;
    }
    const at = core.claimResponse(message.length);
    // A client has one request on its way, so the ring is never full with responses it still wants.
    if (at < 0) {
      this.end(core.fault ?? 'response ring full');
      return;
    }
    core.u8.set(message, at);
    core.commitResponse();
    this.responded = true;
  }

  /** Sends an event, or queues it. Copied. */
  dispatch(message: Uint8Array): void {
    const { core } = this;
    if (core.closed) return;
    if (message.length > core.maxMessageBytes) {
      this.end(`event of ${message.length} bytes`);
      return;
    }
    core.sendEvent(message);
    if (core.fault !== null) {
      this.end(core.fault);
      return;
    }
    if (core.queueing) this.owner.slow(this);
    else this.owner.dirty(this);
  }

  disconnect(reason: string): void {
    this.end(reason);
  }

  setFlowControl(word: 0 | 1 | 2): void {
    this.core.setFlowControl(word);
    if (word === 0) this.schedule(); // no byte will come for requests that wait already (libqb-ipc.md trap 12)
  }

  /** Publishes committed events; the server calls it once a turn. */
  flush(): void {
    if (this.core.closed) return;
    this.core.flushEvents();
    this.settle();
  }

  /** Whether moving queued events on is worth it now. */
  get roomForQueue(): boolean {
    return this.core.roomForQueue;
  }

  /** Moves queued events on; whether some are left. */
  flushQueue(): boolean {
    if (this.core.closed) return false;
    this.core.flushQueue();
    this.settle();
    return !this.core.closed && this.core.queueing;
  }

  private readonly onReady = (hungUp: boolean): void => {
    const { core } = this;
    if (core.closed) return;
    if (this.watchingWritable) core.onWritable();
    core.drainBytes();
    if (hungUp) core.drainToEnd(); // in this turn: others' requests come after it
    if (core.hungUp || core.fault !== null) this.stopWatching(); // it would be ready for ever
    this.takeTurn();
  };

  private readonly onInput = (): void => {
    if (this.core.closed) return;
    this.core.noteInput();
    this.takeTurn();
    this.pauseInput();
  };

  /** What costs something waits for the user's turn; root has his at once. */
  private takeTurn(): void {
    if (this.privileged) this.serve();
    else this.schedule();
  }

  /** Requests that have to wait leave their socket readable: it is not watched meanwhile. */
  private pauseInput(): void {
    const { core, input } = this;
    const paused = this.scheduled || core.flowControl !== 0;
    if (input === null || core.closed || paused === this.inputPaused) return;
    this.inputPaused = paused;
    input.watch(!paused, false);
  }

  private readonly serve = (): void => {
    const { core } = this;
    this.scheduled = false;
    if (core.closed) return;
    core.openRings();
    const more = core.flowControl === 0 && this.takeRequests();
    if (core.closed) return;
    if (more) this.schedule();
    else if (core.hungUp) {
      this.end('disconnected'); // after what it left behind was served
      return;
    }
    this.settle();
    this.pauseInput();
  };

  /** One turn: up to the budget; whether more wait, which get theirs after timers and others had theirs. */
  private takeRequests(): boolean {
    const { core } = this;
    if (core.live && core.requestsAvailable() === 0) core.statistics.recvRetries++;
    this.anticipation?.turnBegins(monotonicMs());
    let left = this.owner.budget();
    for (; left > 0 && (core.peekRequest() || this.comesBack()); left--) {
      this.handle();
      if (core.closed) return false;
      if (!this.privileged && this.owner.turns.over) break;
    }
    core.releaseRequests();
    return this.endWaits(left === 0) || core.requestsAvailable() > 0;
  }

  /** Whether the client was still asking when its turn was over: its next request, which is about to come, is not slept for. */
  private endWaits(isSpent: boolean): boolean {
    if (!this.cameBack) return false;
    this.cameBack = false;
    this.core.drainBytes(); // those of requests that were seen before their bytes
    return isSpent || this.anticipation?.wasCutShort === true;
  }

  /** Waits a moment for the next request of a client that has just got its response; whether it has come. */
  private comesBack(): boolean {
    const { core, anticipation } = this;
    if (!this.responded || anticipation === null || core.fault !== null) return false;
    const waits = anticipation.begin(monotonicMs());
    this.responded = anticipation.wasCutShort; // then it is waited for in the next turn
    if (!waits) return false;
    core.releaseRequests();
    this.owner.publishEvents();
    while (core.requestsAvailable() === 0)
      if (core.fault !== null || !anticipation.mayContinue(monotonicMs())) return false;
    anticipation.came();
    this.cameBack = true;
    return core.peekRequest();
  }

  private handle(): void {
    const { core } = this;
    this.responded = false;
    const length = core.requestLength;
    if (length > copy.length) copy = new Uint8Array(length);
    copy.set(core.u8.subarray(core.requestOffset, core.requestOffset + length));
    // The id and the size that were checked, whatever the memory says by now.
    const header = new DataView(copy.buffer, 0, 16);
    header.setInt32(0, core.requestId, true);
    header.setInt32(8, length, true);
    core.reclaimRequest();
    const verdict = this.owner.handler.request(this, copy.subarray(0, length));
    if (verdict === 'invalid') core.statistics.invalidRequest++;
    else if (verdict === 'refused') core.statistics.overload++;
  }

  private schedule(): void {
    if (this.scheduled || this.core.closed) return;
    this.scheduled = true;
    if (this.privileged) setImmediate(this.serve);
    else this.owner.turns.add(this.euid, this.serve);
  }

  /** After anything that may have gone wrong or left bytes over. */
  private settle(): void {
    const { core } = this;
    if (core.closed) return;
    if (core.fault !== null) {
      this.end(core.fault);
      return;
    }
    if (core.hungUp) {
      this.stopWatching();
      this.schedule(); // serve what is left, then end
      return;
    }
    const outstanding = core.notifyOutstanding > 0;
    if (outstanding === this.watchingWritable) return;
    this.watchingWritable = outstanding;
    this.watcher.watch(true, outstanding);
  }

  private stopWatching(): void {
    this.watcher.stop();
    this.input?.stop();
  }

  private end(reason: string): void {
    if (this.core.closed) return;
    this.stopWatching();
    this.owner.notSlow(this);
    this.core.close();
    this.owner.ended(this, reason);
  }
}
