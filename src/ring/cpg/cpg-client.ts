import type { ServerConnection } from '../../ipc/server/connection.ts';
import { isPrivileged } from '../../ipc/server/limits.ts';
import type { FrameMemory } from '../../lib/frame-memory.ts';
import type { QuotaUser } from '../../lib/user-quota.ts';
import { monotonicMs } from '../../os/clock.ts';
import { withinMemory } from '../../os/memory-limit.ts';
import { CpgRequest } from '../../services/codec/ids.ts';
import type { CpgConnection, CpgPort } from '../../services/cpg/cpg-connection.ts';
import type { CpgCore } from '../../services/cpg/cpg-core.ts';
import { Moderation } from './moderation.ts';

/** Requests of one client in one turn: others, the network and the timers get theirs in between. */
const REQUESTS_PER_TURN = 256;
/** The clock is looked at after so many, a power of two. */
const REQUESTS_PER_LOOK = 16;
/** Notification bytes that may stay on the socket: they cost a system call to take, and the client spins when it is full. */
const BYTES_OWED_MAX = 64;

/**
 * Events that may wait for a client that goes on sending. Beyond, its sends wait while it reads, so that it does not run into the limit at
 * which it is cut. Not tighter: on a busy machine sender and reader get the processor in turns, and both want to work on a long queue
 * when they have it. Not wider: what waits longer than the processor's caches hold it is copied from memory twice.
 */
const OWN_QUEUE_BYTES_MAX = withinMemory(4 << 20, 1 / 32);
const READING_MS = 1000;
/**
 * When what waits for room in a client's ring, or on its socket, is tried without a sign that it reads: soon after a report that had not
 * made room (it takes the bytes before the events), and else after a share of the time for which it has not read.
 */
const RETRY_SOON_MS = 0.1;
const RETRY_MIN_MS = 2;
const RETRY_MAX_MS = 50;
const RETRY_SHARE = 8;
const SENDS: readonly number[] = [CpgRequest.MCAST, CpgRequest.PARTIAL_MCAST, CpgRequest.ZC_EXECUTE];

/** What a client reports to the table of clients. */
export interface CpgClientEvents {
  /** Something is to be flushed at the end of the turn. */
  touch(client: AttachedCpgClient): void;
  /** Requests of this client were handled. */
  served(client: AttachedCpgClient): void;
  /** Whether the client is gone, looked at now. */
  hasHungUp(client: AttachedCpgClient): boolean;
  /** So much waits for the clients of its user that its sends wait. */
  sendsWait(client: AttachedCpgClient, nowMs: number): boolean;
  /** A response follows: events so far, of whatever client, become visible before it. */
  publishEvents(): void;
  /** An event was dropped because it is larger than what the client can receive. */
  tooLarge(client: AttachedCpgClient, eventBytes: number): void;
}

/** One client of CPG: the core's port over the shared-memory connection. Nothing in here closes it; the table does. */
export class AttachedCpgClient implements CpgPort {
  readonly id: number;
  readonly user: QuotaUser;
  readonly memory: FrameMemory;
  claimed: FrameMemory;
  readonly member: CpgConnection;
  /** In the list of clients to flush, of clients to serve, of clients with a queue. */
  touched = false;
  active = false;
  slow = false;
  readonly moderation = new Moderation();
  /** Requests handled so far. */
  served = 0;
  /** As many were handled when its events were last announced ahead. */
  servedAtAnnouncement = 0;
  /** Its socket is watched for room. */
  watched = false;
  /** The client hung up; what it left in its ring is served until then. */
  goneAtMs = Number.POSITIVE_INFINITY;
  /** Events dropped for being larger than the client's messages. */
  eventsTooLarge = 0;
  /**
   * While events or notifications wait for room: when to look again, and when there was room last. Doubles from the start: a field that becomes one
   * later changes the shape of all clients, and what was compiled for them is compiled again.
   */
  retryAtMs = Number.NEGATIVE_INFINITY;
  stalledSinceMs = Number.NEGATIVE_INFINITY;
  private dispatchedAtRetry = 0;
  private soonMs = RETRY_SOON_MS;
  private dispatchedSeen = 0;
  private readAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly connection: ServerConnection,
    private readonly core: CpgCore,
    readonly scratch: number,
    private readonly events: CpgClientEvents,
  ) {
    this.id = connection.id;
    this.user = { uid: connection.euid, privileged: isPrivileged(connection.euid) };
    this.memory = { bytes: connection.u8, view: connection.memory.data };
    this.claimed = this.memory;
    this.member = core.opened(this);
  }

  /**
   * Handles waiting requests until `endMs`, or as many as it may; returns how much was done. Stops at one that has to wait: for room in the send queue, or because this client
   * sends faster than it, or others of its user, read. The rings are opened in its turn, too.
   */
  serve(nowMs: number, endMs: number): number {
    const { connection } = this;
    const opened = !connection.live && connection.openRings() ? 1 : 0;
    if (connection.flowControl !== 0) return opened;
    const slowed =
      (connection.queuedBytes > OWN_QUEUE_BYTES_MAX && this.isReading(nowMs)) || this.events.sendsWait(this, nowMs);
    let count = 0;
    while (count < REQUESTS_PER_TURN && connection.peekRequest()) {
      if (slowed && SENDS.includes(connection.requestId)) break;
      if (this.core.request(this.member, connection.requestOffset, connection.requestLength) === 'wait') break;
      connection.reclaimRequest();
      count++;
      if (count % REQUESTS_PER_LOOK === 0 && monotonicMs() >= endMs) break;
    }
    if (count > 0) {
      this.served += count;
      this.events.served(this);
      connection.releaseRequests();
      if (connection.owesBytes(BYTES_OWED_MAX)) connection.drainBytes();
    }
    if (connection.fault !== null) this.events.touch(this);
    return count + opened;
  }

  /** It has sent since, and one event came: it may wait for that before it goes on. */
  get waitsForIt(): boolean {
    if (this.connection.unannounced !== 1 || this.served === this.servedAtAnnouncement) return false;
    this.servedAtAnnouncement = this.served;
    return true;
  }

  /** Events or notifications begin to wait for the client. */
  beginWaiting(nowMs: number): void {
    this.stalledSinceMs = nowMs;
    this.soonMs = RETRY_MIN_MS;
    this.retryAtMs = nowMs + RETRY_MIN_MS;
    this.dispatchedAtRetry = this.connection.statistics.dispatched;
  }

  /** A client, perhaps this one, has taken bytes off its socket. */
  noteReads(nowMs: number): void {
    this.soonMs = RETRY_SOON_MS;
    const atMs = this.connection.notifyOutstanding > 0 ? nowMs : nowMs + RETRY_SOON_MS;
    this.retryAtMs = Math.min(this.retryAtMs, atMs);
  }

  /** Tries again; `true`: nothing waits any more. */
  retry(nowMs: number): boolean {
    const { connection } = this;
    const bytesBefore = connection.notifyOutstanding;
    if (bytesBefore > 0) connection.onWritable();
    connection.flushQueue();
    const { dispatched } = connection.statistics;
    const read = dispatched !== this.dispatchedAtRetry || connection.notifyOutstanding < bytesBefore;
    if (read) this.stalledSinceMs = nowMs;
    this.dispatchedAtRetry = dispatched;
    this.soonMs = read ? RETRY_MIN_MS : Math.min(2 * this.soonMs, RETRY_MIN_MS);
    const waitMs = (nowMs - this.stalledSinceMs) / RETRY_SHARE;
    this.retryAtMs = nowMs + Math.min(RETRY_MAX_MS, Math.max(this.soonMs, waitMs));
    return !connection.queueing && connection.notifyOutstanding === 0;
  }

  /** Took events off its ring within the last second. One that reads nothing is not waited for: it may be about to block in a call. */
  private isReading(nowMs: number): boolean {
    const { dispatched } = this.connection.statistics;
    if (dispatched !== this.dispatchedSeen) {
      this.dispatchedSeen = dispatched;
      this.readAtMs = nowMs;
    }
    return nowMs - this.readAtMs < READING_MS;
  }

  // ---- CpgPort -----------------------------------------------------------------------------------------------------

  respond(message: Uint8Array): void {
    this.events.publishEvents();
    const at = this.connection.claimResponse(message.length);
    if (at < 0) return; // a client that waits for its responses cannot fill the ring; one that does not loses them
    this.connection.u8.set(message, at);
    this.connection.commitResponse();
  }

  dispatch(message: Uint8Array): void {
    const at = this.claim(message.length);
    if (at < 0) return;
    this.claimed.bytes.set(message, at);
    this.commit();
  }

  claim(bytes: number): number {
    const { connection } = this;
    // Larger than the client can receive (libqb-ipc.md trap 15): it would be stuck for good.
    if (bytes > connection.maxMessageBytes) {
      this.eventsTooLarge++;
      this.events.tooLarge(this, bytes);
      return -1;
    }
    const at = connection.claimEvent(bytes);
    this.claimed = this.memory;
    if (at >= 0) return at;
    if (!this.touched) this.events.touch(this);
    if (!connection.reserveEvent(bytes)) return -1;
    this.claimed = connection.queuedMemory;
    return connection.queuedAt;
  }

  commit(): void {
    if (this.claimed === this.memory) this.connection.commitEvent();
    else this.claimed = this.memory; // who is slow no more keeps no block of the queue
    if (!this.touched) this.events.touch(this);
  }

  hasHungUp(): boolean {
    return this.events.hasHungUp(this);
  }
}
