import { assert } from '../../lib/assert.ts';
import type { AttachedClient } from '../../lib/client-descriptor.ts';
import type { FrameMemory } from '../../lib/frame-memory.ts';
import { REQUEST_HEADER_BYTES } from '../../lib/ipc-header.ts';
import { MessageId } from '../protocol.ts';
import type { ClientLine } from './client-line.ts';
import { type EventBudget, EventQueue } from './event-queue.ts';
import { ConnectionStatistics } from './statistics.ts';

/** Reads of a socket, 4 KiB each, before its end is given up for now: more than a socket holds. */
const LOOKS_MAX = 128;

/** Where the messages of a connection lie: an arena, or memory that is shared within this process. */
export interface ConnectionMemory {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly data: DataView;
}

/**
 * One client, to be driven by whoever owns it: the main thread from libuv, the ring thread from its own loop. Nothing here waits, and nothing
 * is allocated per message. How messages travel is the subclass's: rings in shared memory (`RingConnection`; `LocalConnection` for a
 * client in this process), or datagrams (`DatagramConnection`).
 *
 *   const connection = attachConnection(pool, descriptor);             // or -errno
 *   when `connection.fd` is readable:  connection.drainBytes();        // takes notification bytes
 *   when `connection.inputFd`, if that is another one, is readable:    connection.noteInput();
 *   in its turn:                       connection.openRings();         // does so once, after the first byte
 *   when `fd` is writable and `connection.notifyOutstanding > 0`:      connection.onWritable();
 *
 *   while (budget-- > 0 && connection.peekRequest()) {                 // u8, requestOffset, requestLength, requestId
 *     const at = connection.claimResponse(24);                         // -1: no room for a response
 *     … write at u8/i32[at >> 2] …; connection.commitResponse();       // visible at once, wakes the client
 *     connection.reclaimRequest();
 *   }
 *   connection.releaseRequests();
 *
 *   const at = connection.claimEvent(232);                             // -1: no room (or events queue): connection.queueEvent(…) or reserveEvent(232)
 *   … write …; connection.commitEvent();                               // any number of them, then once
 *   connection.flushEvents();                                          // visible, bytes sent, wake-up
 *   if (connection.roomForQueue) connection.flushQueue();              // in every turn, and when a `RoomWatch` of `roomFd` reports that the client reads
 *
 *   after any call: if (connection.fault !== null || connection.hungUp) connection.close();
 *
 * Offsets are bytes into `u8`, which is the arena's view, common to all connections of one arena.
 */
export abstract class ServerConnection {
  readonly id: number;
  /** What reports the client's end; -1: the client is in this process, and there is no descriptor to wait for. */
  readonly fd: number;
  readonly pid: number;
  readonly euid: number;
  readonly egid: number;
  readonly serviceId: number;
  readonly processName: string;
  readonly maxMessageBytes: number;
  readonly memory: ConnectionMemory;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly statistics = new ConnectionStatistics();

  /** Why the connection has to be closed; null while it is fine. The first reason stays. */
  fault: string | null = null;
  /** The client has opened its side: messages may travel. */
  live = false;
  closed = false;

  /** The request in hand, after `peekRequest()` returned true. */
  requestOffset = 0;
  /** `header.size`, checked against the message. */
  requestLength = 0;
  requestId = 0;
  protected requestInHand = false;

  protected readonly queue: EventQueue;
  private flowControlWord: 0 | 1 | 2 = 0;

  protected constructor(
    memory: ConnectionMemory,
    client: AttachedClient,
    protected readonly line: ClientLine,
    budget: EventBudget,
  ) {
    this.id = client.id;
    this.fd = line.fd;
    this.queue = new EventQueue(budget, client.euid);
    this.pid = client.pid;
    this.euid = client.euid;
    this.egid = client.egid;
    this.serviceId = client.serviceId;
    this.processName = client.processName;
    this.maxMessageBytes = client.maxMessageBytes;
    this.memory = memory;
    this.u8 = memory.u8;
    this.i32 = memory.i32;
  }

  /** What becomes readable when a request comes. */
  abstract get inputFd(): number;
  /** What a `RoomWatch` watches: it takes bytes again when the client has read events. */
  abstract get roomFd(): number;

  // ---- setup socket, or what stands for it --------------------------------------------------------------------------------------------------

  /**
   * Takes notification bytes, which say nothing but "look", off the socket without waiting for any: how many. To be called when the socket is
   * readable, and before sleeping if `owesBytes()`. The end of the stream sets `hungUp`.
   */
  drainBytes(): number {
    if (this.fault !== null) return 0;
    const received = this.line.drain();
    if (this.line.error !== null) this.fail(this.line.error);
    if (received > 0) this.noteInput();
    return received;
  }

  /** There may be requests. */
  abstract noteInput(): void;

  /** Opens the rings, which costs some dozen system calls, once the client has sent its first byte; whether it did. */
  abstract openRings(): boolean;

  /** Takes bytes until there are none: the end behind them sets `hungUp`. */
  drainToEnd(): void {
    for (let looks = 0; looks < LOOKS_MAX && !this.hungUp && this.drainBytes() > 0; looks++);
  }

  /**
   * More requests than bytes were taken, by at least `threshold`: their bytes are on the socket or on their way. A client whose socket is
   * full of unread bytes spins, and a level-triggered wait returns at once for them, but neither needs a system call per request.
   */
  owesBytes(threshold = 1): boolean {
    return this.line.owed >= threshold;
  }

  /** The socket takes bytes again: sends what is outstanding. */
  onWritable(): void {
    this.notify(0);
  }

  /**
   * The client is gone. Requests that it left behind may still be served (stock drops them); then `close()`. The socket stays
   * readable for ever, so it must not be waited for any more.
   */
  get hungUp(): boolean {
    return this.line.hungUp;
  }

  /** Notification bytes that wait for room in the socket. */
  get notifyOutstanding(): number {
    return this.line.outstanding;
  }

  // ---- requests ------------------------------------------------------------------------------------------------------

  /** Requests that wait; one is taken for granted when the rings are still to be opened. */
  abstract requestsAvailable(): number;

  /** Looks at the next request and checks its frame; false if there is none or the connection is to be closed (`fault`). */
  abstract peekRequest(): boolean;

  /** Takes the message of `length` bytes at `offset` as the request in hand, if its header is right. */
  protected takeInHand(offset: number, length: number): boolean {
    if (length < REQUEST_HEADER_BYTES) return this.fail('shortRequest');
    const size = this.i32[(offset + 8) >> 2]!;
    const id = this.i32[offset >> 2]!;
    if (id === MessageId.DISCONNECT) return this.fail('disconnected');
    if (size < REQUEST_HEADER_BYTES || size > length) return this.fail('badRequestSize');
    this.requestOffset = offset;
    this.requestLength = size;
    this.requestId = id;
    this.requestInHand = true;
    return true;
  }

  /** Done with the request in hand. */
  reclaimRequest(): void {
    assert(this.requestInHand, 'reclaim follows peek');
    this.requestInHand = false;
    this.statistics.requests++;
    this.letGo();
  }

  /** The room of the request in hand may be used again. */
  protected abstract letGo(): void;

  /** Gives the room of reclaimed requests back to the client; once per batch. */
  abstract releaseRequests(): void;

  // ---- responses -----------------------------------------------------------------------------------------------------

  /** Room for a response, or -1: none (a client that waits for its responses cannot take all of it) or not usable. */
  abstract claimResponse(lengthBytes: number): number;

  /** Sends the claimed response; no byte for it (libqb-ipc.md 3.5). */
  abstract commitResponse(lengthBytes?: number): void;

  // ---- events --------------------------------------------------------------------------------------------------------

  /**
   * Room for an event, or -1: full, older events queue, or not usable. Then `queueEvent` takes it.
   * Longer than `maxMessageBytes` is never possible (libqb's EMSGSIZE): check before.
   */
  abstract claimEvent(lengthBytes: number): number;

  /** How many committed events are not visible yet, where that makes a difference. */
  get unannounced(): number {
    return 0;
  }

  /** Ends the claim; visible to the client after `flushEvents` at the latest. */
  abstract commitEvent(lengthBytes?: number): void;

  /** The committed events are visible. Cheap when there are none. */
  abstract flushEvents(): void;

  /** Keeps an event until there is room; drops it if the client is gone. When the queue's limit is reached the connection has to end (`fault`), and false is returned. */
  queueEvent(source: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (this.reserveEvent(lengthBytes)) {
      const { bytes } = this.queuedMemory;
      bytes.set(source.subarray(offset, offset + lengthBytes), this.queuedAt);
    }
    return this.fault === null;
  }

  /**
   * The same for an event that the caller writes, all of it and at once, at `queuedAt` of `queuedMemory`: it saves a copy. `false`: dropped,
   * because the client is gone or cut (`fault`).
   */
  reserveEvent(lengthBytes: number): boolean {
    if (this.fault !== null || this.hungUp) return false;
    const { queue, statistics } = this;
    if (queue.count === 0) statistics.sent = 0;
    if (!queue.reserve(lengthBytes)) return this.fail('eventQueueFull');
    statistics.queueing = true;
    statistics.queued = queue.count;
    return true;
  }

  get queuedMemory(): FrameMemory {
    return this.queue.memory;
  }

  get queuedAt(): number {
    return this.queue.reservedAt;
  }

  /** Claim and copy, or queue: for whoever has the event in one piece and wants no more to do with it. */
  sendEvent(message: Uint8Array): void {
    assert(message.length <= this.maxMessageBytes, 'an event fits the agreed size');
    const at = this.claimEvent(message.length);
    if (at < 0) {
      this.queueEvent(message, 0, message.length);
      return;
    }
    this.u8.set(message, at);
    this.commitEvent();
  }

  get queueing(): boolean {
    return this.queue.waiting;
  }

  get queuedBytes(): number {
    return this.queue.bytes;
  }

  /** Whether moving queued events on is worth it: there is room for all of them, or for a good part of what the client can hold. */
  abstract get roomForQueue(): boolean;

  /** Moves queued events on as far as there is room, and flushes. */
  abstract flushQueue(): void;

  /** After queued events were moved on. */
  protected countQueued(): void {
    this.statistics.queued = this.queue.count;
    if (this.queue.count > 0) return;
    this.statistics.queueing = false;
    this.statistics.sent = 0;
  }

  // ---- flow control and end ------------------------------------------------------------------------------------------

  /** 0 open, 1 closed for all, 2 closed for multicast (libqb-ipc.md 3.3). The owner stops taking requests while it is not 0. */
  setFlowControl(word: 0 | 1 | 2): void {
    if (word === this.flowControlWord) return;
    this.flowControlWord = word;
    this.statistics.flowControl = word;
    this.statistics.flowControlCount++;
    if (this.fault === null) this.showFlowControl(word);
  }

  /** Where the client looks. */
  protected abstract showFlowControl(word: 0 | 1 | 2): void;

  get flowControl(): 0 | 1 | 2 {
    return this.flowControlWord;
  }

  /**
   * Ends everything: sockets, rings, files. Idempotent. Nobody may touch offsets of this connection afterwards. A setup socket of which another
   * thread keeps count `stays` open for that thread to close, and is only shut down here.
   */
  close(socket: 'closes' | 'stays' = 'closes'): void {
    if (this.closed) return;
    this.closed = true;
    this.fault ??= 'closed';
    this.closeChannels();
    if (socket === 'closes') this.line.close();
    else this.line.shutDown();
    this.queue.clear();
    this.statistics.queued = 0;
    this.giveMemory();
  }

  /** What the subclass has open, but for the setup socket. */
  protected abstract closeChannels(): void;

  /** The memory of the messages is not used any more. */
  protected abstract giveMemory(): void;

  protected notify(count: number, writeMax?: number): void {
    if (this.fault !== null) return;
    this.line.notify(count, writeMax);
    if (this.line.error !== null) this.fail(this.line.error);
  }

  protected fail(reason: string): false {
    this.fault ??= reason;
    return false;
  }
}
