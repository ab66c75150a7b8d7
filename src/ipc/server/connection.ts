import { assert } from '../../lib/assert.ts';
import type { ClientDescriptor } from '../../lib/client-descriptor.ts';
import { REQUEST_HEADER_BYTES } from '../../lib/ipc-header.ts';
import { QB_HEADER, QB_LAYOUT, type RingMemory } from '../../lib/qbring/layout.ts';
import { Peek, RingReader } from '../../lib/qbring/reader.ts';
import { RingWriter } from '../../lib/qbring/writer.ts';
import type { Arena } from '../../os/arena.ts';
import { errnoName } from '../../os/errno.ts';
import { closeFd, fillHoles, forbidShrinking, OpenFlag, openFileIn, unlinkFileIn } from '../../os/fd.ts';
import { futexWake } from '../../os/futex.ts';
import { fileBytes } from '../../os/stat.ts';
import { MessageId } from '../protocol.ts';
import { EventQueue } from './event-queue.ts';
import { removeConnectionFiles, ringFileNames } from './files.ts';
import { type RingPool, type Slot, slotRing } from './pool.ts';
import { SetupSocket } from './setup-socket.ts';
import { ConnectionStatistics } from './statistics.ts';

/** Reads of a socket, 4 KiB each, before its end is given up for now: more than a socket holds. */
const LOOKS_MAX = 128;

/**
 * One client in shared memory, to be driven by whoever owns it: the main thread from libuv, the ring thread from its own loop.
 * Nothing here waits, and nothing is allocated per message.
 *
 *   const connection = ServerConnection.attach(pool, descriptor);      // or -errno
 *   when `connection.fd` is readable:  connection.drainBytes();        // takes notification bytes
 *   in its turn:                       connection.openRings();         // does so once, after the first byte
 *   when it is writable and `connection.notifyOutstanding > 0`:        connection.onWritable();
 *
 *   while (budget-- > 0 && connection.peekRequest()) {                 // u8, requestOffset, requestLength, requestId
 *     const at = connection.claimResponse(24);                         // -1: the response ring is full
 *     … write at u8/i32[at >> 2] …; connection.commitResponse();       // visible at once, wakes the client
 *     connection.reclaimRequest();
 *   }
 *   connection.releaseRequests();
 *
 *   const at = connection.claimEvent(232);                             // -1: no room (or events queue): connection.queueEvent(…)
 *   … write …; connection.commitEvent();                               // any number of them, then once
 *   connection.flushEvents();                                          // visible, bytes sent, wake-up
 *   if (connection.roomForQueue) connection.flushQueue();              // in every turn, and when a `RoomWatch` reports that the client reads
 *
 *   after any call: if (connection.fault !== null || connection.hungUp) connection.close();
 *
 * Offsets are bytes into `u8`, which is the arena's view (`arena`), common to all connections of one arena.
 *
 * The client is hostile. What it can do to the rings is checked by the ring classes. It could also make the files shorter or punch holes
 * in them, and an access to what is not there is a SIGBUS. So nothing is mapped before the client's first byte shows that it has opened
 * the files. Then they are made unshrinkable, their sizes are compared, holes are filled, and their names are removed (nothing is left behind
 * if we are killed). Where the kernel does not offer that (`shrinkProtection`), the protection is the same as stock's: none.
 *
 * A request can change while it is looked at: read each field once, or copy it first.
 */
export class ServerConnection {
  readonly id: number;
  readonly fd: number;
  readonly pid: number;
  readonly euid: number;
  readonly egid: number;
  readonly serviceId: number;
  readonly processName: string;
  readonly maxMessageBytes: number;
  readonly arena: Arena;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly statistics = new ConnectionStatistics();

  /** Why the connection has to be closed; null while it is fine. The first reason stays. */
  fault: string | null = null;
  /** The client has opened the rings: they may be used. */
  live = false;
  closed = false;
  /** It has sent a byte. */
  private heard = false;

  /** The request in hand, after `peekRequest()` returned true. */
  requestOffset = 0;
  /** `header.size`, checked against the chunk. */
  requestLength = 0;
  requestId = 0;
  private requestInHand = false;

  private readonly socket: SetupSocket;
  private requests!: RingReader;
  private responses!: RingWriter;
  private events!: RingWriter;
  private readonly requestMemory: RingMemory;
  private readonly responseMemory: RingMemory;
  private readonly eventMemory: RingMemory;
  private readonly queue: EventQueue;
  private hasFiles = true;
  private flowControlWord = 0;
  private claimedEvents = 0;
  private claimedBytes = 0;
  /** Length of the claim in hand. */
  private claimBytes = 0;
  /** A part of the event ring: what is worth a wake-up. */
  private readonly roomShareBytes: number;

  private constructor(
    private readonly pool: RingPool,
    private readonly slot: Slot,
    private readonly descriptor: ClientDescriptor,
  ) {
    this.id = descriptor.id;
    this.fd = descriptor.fd;
    this.socket = new SetupSocket(descriptor.fd);
    this.queue = new EventQueue(pool.events, descriptor.euid);
    this.pid = descriptor.pid;
    this.euid = descriptor.euid;
    this.egid = descriptor.egid;
    this.serviceId = descriptor.serviceId;
    this.processName = descriptor.processName;
    this.maxMessageBytes = descriptor.maxMessageBytes;
    this.arena = slot.arena;
    this.u8 = slot.arena.u8;
    this.i32 = slot.arena.i32;
    this.requestMemory = slotRing(slot, 0, descriptor.maxMessageBytes);
    this.responseMemory = slotRing(slot, 1, descriptor.maxMessageBytes);
    this.eventMemory = slotRing(slot, 2, descriptor.maxMessageBytes);
    this.roomShareBytes = this.eventMemory.words; // a quarter: there are four bytes in a word
  }

  /** Takes a client over, with room for its rings. -errno if there is none; then the caller still owns the descriptor. */
  static attach(pool: RingPool, descriptor: ClientDescriptor): ServerConnection | number {
    const slot = pool.take(descriptor.maxMessageBytes);
    return typeof slot === 'number' ? slot : new ServerConnection(pool, slot, descriptor);
  }

  // ---- setup socket --------------------------------------------------------------------------------------------------

  /**
   * Takes notification bytes, which say nothing but "look", off the socket without waiting for any: how many. To be called when the socket is
   * readable, and before sleeping if `owesBytes()`. The end of the stream sets `hungUp`.
   */
  drainBytes(): number {
    if (this.fault !== null) return 0;
    const received = this.socket.drain();
    if (this.socket.error !== null) this.fail(this.socket.error);
    if (received > 0) this.heard = true;
    return received;
  }

  /** Opens the rings, which costs some dozen system calls, once the client has sent its first byte; whether it did. */
  openRings(): boolean {
    if (!this.isToBeOpened()) return false;
    this.open();
    return true;
  }

  private isToBeOpened(): boolean {
    return this.heard && !this.live && this.fault === null;
  }

  /** Takes bytes until there are none: the end behind them sets `hungUp`. */
  drainToEnd(): void {
    for (let looks = 0; looks < LOOKS_MAX && !this.hungUp && this.drainBytes() > 0; looks++);
  }

  /**
   * More requests than bytes were taken, by at least `threshold`: their bytes are on the socket or on their way. A client whose socket is
   * full of unread bytes spins, and a level-triggered wait returns at once for them, but neither needs a system call per request.
   */
  owesBytes(threshold = 1): boolean {
    return this.socket.owed >= threshold;
  }

  /** The socket takes bytes again: sends what is outstanding. */
  onWritable(): void {
    this.notify(0);
  }

  /**
   * The client is gone. Requests that it left in the ring may still be served (stock drops them); then `close()`. The socket stays
   * readable for ever, so it must not be waited for any more.
   */
  get hungUp(): boolean {
    return this.socket.hungUp;
  }

  /** Notification bytes that wait for room in the socket. */
  get notifyOutstanding(): number {
    return this.socket.outstanding;
  }

  private open(): void {
    const { directoryFd, service } = this.descriptor;
    const rings = [this.requestMemory, this.responseMemory, this.eventMemory];
    this.slot.mapped = true;
    ringFileNames(service).forEach((name, i) => {
      const fd = openFileIn(directoryFd, name, OpenFlag.RDWR | OpenFlag.NONBLOCK);
      unlinkFileIn(directoryFd, name); // an append-only file keeps its name
      const ring = rings[i >> 1]!;
      const result = fd < 0 ? fd : i % 2 === 0 ? this.mapHeader(ring, fd) : this.mapData(ring, fd);
      if (fd >= 0) closeFd(fd);
      if (result < 0) this.fail(`ring file ${errnoName(result)}`);
    });
    this.removeFiles();
    if (this.fault !== null) return;
    this.requests = new RingReader(this.requestMemory);
    this.responses = new RingWriter(this.responseMemory);
    this.events = new RingWriter(this.eventMemory);
    this.live = true;
    this.writeFlowControl();
    this.noteFaults();
  }

  /** Clients cut 4 bytes off two of the header files. */
  private mapHeader(ring: RingMemory, fd: number): number {
    const mapped = this.arena.mapFile(ring.header, QB_HEADER.mappedBytes, fd);
    return mapped < 0 ? mapped : this.secure(fd, QB_LAYOUT.headerBytes);
  }

  private mapData(ring: RingMemory, fd: number): number {
    const bytes = ring.words * 4;
    const mapped = this.arena.mapFileTwice(ring.data, bytes, fd);
    return mapped < 0 ? mapped : this.secure(fd, bytes);
  }

  /**
   * From here on the first `bytes` of the file are there for good, whatever the client does: 0, or -errno. The file is mapped already, because
   * the kernel maps no append-only file for writing, but nothing of it has been touched.
   */
  private secure(fd: number, bytes: number): number {
    forbidShrinking(fd); // whether this host can: `shrinkProtection`
    if (fileBytes(fd) < bytes) {
      this.fail('shrunkFile');
      return 0;
    }
    return fillHoles(fd, bytes);
  }

  // ---- requests ------------------------------------------------------------------------------------------------------

  /** Requests waiting in the ring, by its semaphore; one is taken for granted when the ring is still to be opened. */
  requestsAvailable(): number {
    if (!this.live) return this.isToBeOpened() ? 1 : 0;
    return this.fault === null ? this.requests.available() : 0;
  }

  /** Looks at the next request and checks its frame; false if there is none or the connection is to be closed (`fault`). */
  peekRequest(): boolean {
    if (!this.live || this.fault !== null) return false;
    const found = this.requests.peek();
    if (found === Peek.EMPTY) return false;
    if (found === Peek.FAULT) return this.noteFaults();
    const { offset, length } = this.requests;
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
    this.requests.reclaim();
    this.statistics.requests++;
    this.socket.owed++;
  }

  /** Gives the room of reclaimed requests back to the client; once per batch. */
  releaseRequests(): void {
    if (!this.live) return;
    this.requests.release();
    if (this.requests.fault !== null) this.noteFaults();
  }

  // ---- responses -----------------------------------------------------------------------------------------------------

  /** Room for a response, or -1: the ring is full (a client that waits for its responses cannot fill it) or not usable. */
  claimResponse(lengthBytes: number): number {
    if (!this.live || this.fault !== null) return -1;
    const at = this.responses.claim(lengthBytes);
    if (at < 0 && !this.noteFaults()) this.statistics.sendRetries++;
    return at;
  }

  /** Sends the claimed response; no byte for it (libqb-ipc.md 3.5). */
  commitResponse(lengthBytes?: number): void {
    this.responses.commit(lengthBytes);
    this.responses.publish();
    this.wake(this.responses, this.responseMemory, 1);
    this.statistics.responses++;
  }

  // ---- events --------------------------------------------------------------------------------------------------------

  /**
   * Room for an event in the client's ring, or -1: full, older events queue, or not usable. Then `queueEvent` takes it.
   * Longer than `maxMessageBytes` is never possible (libqb's EMSGSIZE): check before.
   */
  claimEvent(lengthBytes: number): number {
    if (!this.live || this.fault !== null || this.hungUp || this.queue.waiting) return -1;
    const at = this.events.claim(lengthBytes);
    this.claimBytes = lengthBytes;
    if (at < 0 && !this.noteFaults()) this.statistics.sendRetries++;
    return at;
  }

  /** Ends the claim; visible to the client after `flushEvents`. */
  commitEvent(lengthBytes?: number): void {
    this.events.commit(lengthBytes);
    this.claimedEvents++;
    this.claimedBytes += this.claimBytes;
  }

  /**
   * Publishes the committed events: semaphore, then exactly one byte each (libqb-ipc.md 3.6). Cheap when there are none. While others wait
   * for room the bytes go out in parts, so that a `RoomWatch` reports each time that a part of the ring was read.
   */
  flushEvents(): void {
    if (this.claimedEvents === 0 || this.fault !== null) return;
    const count = this.events.publish();
    assert(count === this.claimedEvents, 'every committed event is published');
    this.claimedEvents = 0;
    this.statistics.dispatched += count;
    this.statistics.sent += count;
    this.wake(this.events, this.eventMemory, count);
    const parts = this.queue.waiting ? Math.ceil(this.claimedBytes / this.roomShareBytes) : 1;
    this.claimedBytes = 0;
    this.notify(count, Math.ceil(count / parts));
  }

  /** Keeps an event until there is room; drops it if the client is gone. When the queue's limit is reached the connection has to end (`fault`), and false is returned. */
  queueEvent(source: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (this.fault !== null) return false;
    if (this.hungUp) return true;
    const statistics = this.statistics;
    if (this.queue.count === 0) statistics.sent = 0;
    if (!this.queue.push(source, offset, lengthBytes)) return this.fail('eventQueueFull');
    statistics.queueing = true;
    statistics.queued = this.queue.count;
    return true;
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

  /**
   * Whether moving queued events on is worth it: there is room for all of them, or for a good part of a ring. A client that
   * reads one event at a time would otherwise cost a system call for each. Costs one load of shared memory.
   */
  get roomForQueue(): boolean {
    if (!this.live || this.fault !== null || this.hungUp) return false;
    if (this.queue.overflowed) return true;
    const head = this.queue.headLength();
    return head >= 0 && this.events.hasRoom(Math.max(head, Math.min(this.roomShareBytes, this.queue.bytes)));
  }

  /** Moves queued events into the ring as far as there is room, and flushes. */
  flushQueue(): void {
    if (this.queue.overflowed) this.fail('eventQueueFull');
    if (!this.live || this.fault !== null || this.hungUp || this.queue.count === 0) return;
    for (let length = this.queue.headLength(); length >= 0; length = this.queue.headLength()) {
      const at = this.events.claim(length);
      if (at < 0) {
        this.noteFaults();
        break;
      }
      this.claimBytes = length;
      this.queue.shiftInto(this.u8, at);
      this.commitEvent();
    }
    this.flushEvents();
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
    if (this.live && this.fault === null) this.writeFlowControl();
  }

  get flowControl(): number {
    return this.flowControlWord;
  }

  /**
   * Ends everything: socket, rings, files. Idempotent. Nobody may touch offsets of this connection afterwards. A socket of which another thread
   * keeps count `stays` open for that thread to close, and is only shut down here.
   */
  close(socket: 'closes' | 'stays' = 'closes'): void {
    if (this.closed) return;
    this.closed = true;
    this.fault ??= 'closed';
    if (this.live) {
      for (const ring of [this.requestMemory, this.responseMemory, this.eventMemory]) {
        Atomics.store(this.i32, (ring.header >> 2) + QB_HEADER.refCountWord, 0);
      }
    }
    this.removeFiles();
    if (socket === 'closes') this.socket.close();
    else this.socket.shutDown();
    this.queue.clear();
    this.statistics.queued = 0;
    this.pool.give(this.slot);
  }

  private writeFlowControl(): void {
    Atomics.store(this.i32, (this.requestMemory.header >> 2) + QB_HEADER.flowControlWord, this.flowControlWord);
  }

  private removeFiles(): void {
    if (this.hasFiles) removeConnectionFiles(this.descriptor);
    this.hasFiles = false;
  }

  private wake(writer: RingWriter, ring: RingMemory, count: number): void {
    if (writer.readerSleeps()) futexWake(this.arena.address + ring.header + ring.layout.semaphoreWord * 4, count);
  }

  private notify(count: number, writeMax?: number): void {
    if (this.fault !== null) return;
    this.socket.notify(count, writeMax);
    if (this.socket.error !== null) this.fail(this.socket.error);
  }

  private noteFaults(): false {
    const fault = this.requests.fault ?? this.responses.fault ?? this.events.fault;
    if (fault !== null) this.fail(fault);
    return false;
  }

  private fail(reason: string): false {
    this.fault ??= reason;
    return false;
  }
}
