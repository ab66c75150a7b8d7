import { assert } from '../../lib/assert.ts';
import type { AttachedClient } from '../../lib/client-descriptor.ts';
import type { RingMemory } from '../../lib/qbring/layout.ts';
import { Peek, RingReader } from '../../lib/qbring/reader.ts';
import { RingWriter } from '../../lib/qbring/writer.ts';
import type { ClientLine } from './client-line.ts';
import { type ConnectionMemory, ServerConnection } from './connection.ts';
import type { EventBudget } from './event-queue.ts';

/** The rings of a connection, in the order of libqb's files. */
export type ConnectionRings = readonly [request: RingMemory, response: RingMemory, event: RingMemory];

/** A client whose messages are chunks in three rings, wherever those lie. */
export abstract class ChunkConnection extends ServerConnection {
  protected requests!: RingReader;
  protected responses!: RingWriter;
  protected events!: RingWriter;
  private claimedEvents = 0;
  private claimedBytes = 0;
  /** Length of the claim in hand. */
  private claimBytes = 0;
  /** A part of the event ring: what is worth a wake-up. */
  private readonly roomShareBytes: number;

  protected constructor(
    memory: ConnectionMemory,
    protected readonly rings: ConnectionRings,
    client: AttachedClient,
    line: ClientLine,
    budget: EventBudget,
  ) {
    super(memory, client, line, budget);
    this.roomShareBytes = rings[2].words; // a quarter: there are four bytes in a word
  }

  /** The memory of the rings is there: messages may travel. */
  protected begin(): void {
    const [request, response, event] = this.rings;
    this.requests = new RingReader(request);
    this.responses = new RingWriter(response);
    this.events = new RingWriter(event);
    this.live = true;
    this.showFlowControl(this.flowControl);
    this.noteFaults();
  }

  // ---- requests ------------------------------------------------------------------------------------------------------

  override requestsAvailable(): number {
    return this.live && this.fault === null ? this.requests.available() : 0;
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
    this.line.noteRequest();
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
    this.announce(this.responses, 1);
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

  override get unannounced(): number {
    return this.claimedEvents;
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
    this.announce(this.events, count);
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

  /** `count` chunks of one of the rings are visible: wakes a client that sleeps on its semaphore. */
  protected abstract announce(writer: RingWriter, count: number): void;

  private noteFaults(): false {
    const fault = this.requests.fault ?? this.responses.fault ?? this.events.fault;
    if (fault !== null) this.fail(fault);
    return false;
  }
}
