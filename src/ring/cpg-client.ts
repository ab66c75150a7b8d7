import type { ServerConnection } from '../ipc/server/connection.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import { CpgRequest } from '../services/codec/ids.ts';
import type { CpgConnection, CpgPort } from '../services/cpg/cpg-connection.ts';
import type { CpgCore } from '../services/cpg/cpg-core.ts';

/** Requests of one client in one turn: others, the network and the timers get theirs in between. */
const REQUESTS_PER_TURN = 256;
/** Notification bytes that may stay on the socket: they cost a system call to take, and the client spins when it is full. */
const BYTES_OWED_MAX = 64;

const LARGE_BYTES = 65_536;
/** Room for the head of the event and for configuration changes in between. */
const EVENT_MARGIN_BYTES = 8192;
const READING_MS = 1000;
const SENDS: readonly number[] = [CpgRequest.MCAST, CpgRequest.PARTIAL_MCAST, CpgRequest.ZC_EXECUTE];

/** Called when a client has something to be flushed at the end of the turn. */
export type TouchClient = (client: CpgClient) => void;

/** One client of CPG: the core's port over the shared-memory connection. Nothing in here closes it; the table does. */
export class CpgClient implements CpgPort {
  readonly id: number;
  readonly memory: FrameMemory;
  readonly member: CpgConnection;
  /** In the list of clients to flush, of clients to serve, of clients with a queue. */
  touched = false;
  active = false;
  slow = false;
  /** The client hung up; what it left in its ring is served until then. */
  goneAtMs = Number.POSITIVE_INFINITY;
  private dispatchedSeen = 0;
  private readAtMs = 0;

  constructor(
    readonly connection: ServerConnection,
    private readonly core: CpgCore,
    readonly scratch: number,
    private readonly touch: TouchClient,
  ) {
    this.id = connection.id;
    this.memory = { bytes: connection.u8, view: connection.arena.data };
    this.member = core.opened(this);
  }

  /**
   * Handles waiting requests; answers how many. Stops at one that has to wait: for room in the send queue, or because this client
   * sends faster than it reads its own messages.
   */
  serve(nowMs: number): number {
    const { connection } = this;
    const reading = this.member.receives && this.isReading(nowMs);
    let count = 0;
    while (count < REQUESTS_PER_TURN && connection.peekRequest()) {
      if (reading && SENDS.includes(connection.requestId) && this.mustReadFirst()) break;
      if (this.core.request(this.member, connection.requestOffset, connection.requestLength) === 'wait') break;
      connection.reclaimRequest();
      count++;
    }
    if (count > 0) {
      connection.releaseRequests();
      if (connection.owesBytes(BYTES_OWED_MAX)) connection.drainBytes();
    }
    if (connection.fault !== null) this.touch(this);
    return count;
  }

  /**
   * What a client multicasts comes back to itself, and its ring is the natural limit of what it may have under way: beyond, events
   * would take the slow way through memory. Large messages are let through as long as nothing waits, or one would travel at a time.
   */
  private mustReadFirst(): boolean {
    const { connection, member } = this;
    if (connection.queueing) return true;
    const bytes = connection.requestLength;
    if (bytes > LARGE_BYTES) return false;
    return member.inFlightBytes + bytes + EVENT_MARGIN_BYTES > connection.eventRoomBytes();
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
    const at = this.connection.claimResponse(message.length);
    if (at < 0) return; // a client that waits for its answers cannot fill the ring; one that does not loses them
    this.connection.u8.set(message, at);
    this.connection.commitResponse();
  }

  dispatch(message: Uint8Array): void {
    // Larger than the client can receive (libqb-ipc.md trap 15): it would be stuck for good.
    if (message.length > this.connection.maxMessageBytes) return;
    this.connection.sendEvent(message);
    this.touch(this);
  }

  claim(bytes: number): number {
    return bytes > this.connection.maxMessageBytes ? -1 : this.connection.claimEvent(bytes);
  }

  commit(): void {
    this.connection.commitEvent();
    if (!this.touched) this.touch(this);
  }
}
