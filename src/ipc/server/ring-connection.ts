import { assert } from '../../lib/assert.ts';
import type { ClientDescriptor } from '../../lib/client-descriptor.ts';
import { QB_HEADER, QB_LAYOUT, type RingMemory } from '../../lib/qbring/layout.ts';
import { Peek, RingReader } from '../../lib/qbring/reader.ts';
import { RingWriter } from '../../lib/qbring/writer.ts';
import { errnoName } from '../../os/errno.ts';
import { closeFd, fillHoles, forbidShrinking, OpenFlag, openFileIn, unlinkFileIn } from '../../os/fd.ts';
import { futexWake } from '../../os/futex.ts';
import { fileBytes } from '../../os/stat.ts';
import { ServerConnection } from './connection.ts';
import { removeConnectionFiles, ringFileNames } from './files.ts';
import { type RingPool, type Slot, slotRing } from './pool.ts';

/**
 * A client in shared memory: three rings, and a byte on the setup socket for each request and event (libqb-ipc.md 2, 3).
 *
 * The client is hostile. What it can do to the rings is checked by the ring classes. It could also make the files shorter or punch holes
 * in them, and an access to what is not there is a SIGBUS. So nothing is mapped before the client's first byte shows that it has opened
 * the files. Then they are made unshrinkable, their sizes are compared, holes are filled, and their names are removed (nothing is left behind
 * if we are killed). Where the kernel does not offer that (`shrinkProtection`), the protection is the same as stock's: none.
 *
 * A request can change while it is looked at: read each field once, or copy it first.
 */
export class RingConnection extends ServerConnection {
  /** It has sent a byte. */
  private heard = false;
  private requests!: RingReader;
  private responses!: RingWriter;
  private events!: RingWriter;
  private readonly requestMemory: RingMemory;
  private readonly responseMemory: RingMemory;
  private readonly eventMemory: RingMemory;
  private hasFiles = true;
  private claimedEvents = 0;
  private claimedBytes = 0;
  /** Length of the claim in hand. */
  private claimBytes = 0;
  /** A part of the event ring: what is worth a wake-up. */
  private readonly roomShareBytes: number;

  constructor(pool: RingPool, slot: Slot, descriptor: ClientDescriptor) {
    super(pool, slot, descriptor);
    this.requestMemory = slotRing(slot, 0, descriptor.maxMessageBytes);
    this.responseMemory = slotRing(slot, 1, descriptor.maxMessageBytes);
    this.eventMemory = slotRing(slot, 2, descriptor.maxMessageBytes);
    this.roomShareBytes = this.eventMemory.words; // a quarter: there are four bytes in a word
  }

  override get inputFd(): number {
    return this.fd;
  }

  override get roomFd(): number {
    return this.fd;
  }

  override noteInput(): void {
    this.heard = true;
  }

  override openRings(): boolean {
    if (!this.isToBeOpened()) return false;
    this.open();
    return true;
  }

  private isToBeOpened(): boolean {
    return this.heard && !this.live && this.fault === null;
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
    this.showFlowControl(this.flowControl);
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

  override requestsAvailable(): number {
    if (!this.live) return this.isToBeOpened() ? 1 : 0;
    return this.fault === null ? this.requests.available() : 0;
  }

  override peekRequest(): boolean {
    if (!this.live || this.fault !== null) return false;
    const found = this.requests.peek();
    if (found === Peek.EMPTY) return false;
    if (found === Peek.FAULT) return this.noteFaults();
    return this.takeInHand(this.requests.offset, this.requests.length);
  }

  protected override letGo(): void {
    this.requests.reclaim();
    this.socket.owed++;
  }

  override releaseRequests(): void {
    if (!this.live) return;
    this.requests.release();
    if (this.requests.fault !== null) this.noteFaults();
  }

  // ---- responses -----------------------------------------------------------------------------------------------------

  override claimResponse(lengthBytes: number): number {
    if (!this.live || this.fault !== null) return -1;
    const at = this.responses.claim(lengthBytes);
    if (at < 0 && !this.noteFaults()) this.statistics.sendRetries++;
    return at;
  }

  override commitResponse(lengthBytes?: number): void {
    this.responses.commit(lengthBytes);
    this.responses.publish();
    this.wake(this.responses, this.responseMemory, 1);
    this.statistics.responses++;
  }

  // ---- events --------------------------------------------------------------------------------------------------------

  override claimEvent(lengthBytes: number): number {
    if (!this.live || this.fault !== null || this.hungUp || this.queue.waiting) return -1;
    const at = this.events.claim(lengthBytes);
    this.claimBytes = lengthBytes;
    if (at < 0 && !this.noteFaults()) this.statistics.sendRetries++;
    return at;
  }

  override commitEvent(lengthBytes?: number): void {
    this.events.commit(lengthBytes);
    this.claimedEvents++;
    this.claimedBytes += this.claimBytes;
  }

  /**
   * Publishes the committed events: semaphore, then exactly one byte each (libqb-ipc.md 3.6). While others wait
   * for room the bytes go out in parts, so that a `RoomWatch` reports each time that a part of the ring was read.
   */
  override flushEvents(): void {
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

  /** A client that reads one event at a time would otherwise cost a system call for each. Costs one load of shared memory. */
  override get roomForQueue(): boolean {
    if (!this.live || this.fault !== null || this.hungUp) return false;
    if (this.queue.overflowed) return true;
    const head = this.queue.headLength();
    return head >= 0 && this.events.hasRoom(Math.max(head, Math.min(this.roomShareBytes, this.queue.bytes)));
  }

  override flushQueue(): void {
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
    this.countQueued();
  }

  // ---- flow control and end ------------------------------------------------------------------------------------------

  protected override showFlowControl(word: 0 | 1 | 2): void {
    if (this.live) Atomics.store(this.i32, (this.requestMemory.header >> 2) + QB_HEADER.flowControlWord, word);
  }

  protected override closeChannels(): void {
    if (this.live) {
      for (const ring of [this.requestMemory, this.responseMemory, this.eventMemory]) {
        Atomics.store(this.i32, (ring.header >> 2) + QB_HEADER.refCountWord, 0);
      }
    }
    this.removeFiles();
  }

  private removeFiles(): void {
    if (this.hasFiles) removeConnectionFiles(this.descriptor);
    this.hasFiles = false;
  }

  private wake(writer: RingWriter, ring: RingMemory, count: number): void {
    if (writer.readerSleeps()) futexWake(this.arena.address + ring.header + ring.layout.semaphoreWord * 4, count);
  }

  private noteFaults(): false {
    const fault = this.requests.fault ?? this.responses.fault ?? this.events.fault;
    if (fault !== null) this.fail(fault);
    return false;
  }
}
