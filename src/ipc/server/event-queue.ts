import { assert } from '../../lib/assert.ts';
import { type FrameMemory, frameMemory } from '../../lib/frame-memory.ts';
import { withinMemory } from '../../os/memory-limit.ts';

/**
 * Events that wait for room in a client's ring: a FIFO of byte strings in blocks, bounded in bytes and in number. Used for slow clients only;
 * blocks are recycled through one free list per thread.
 */
export const EVENT_QUEUE_LIMITS = {
  /** A client that lets more than this pile up is disconnected, alone. Stock has no limit and grows. */
  bytesMax: 256 * 1024 * 1024,
  eventsMax: 2_000_000,
  /** All connections of one user, and of all users, by thread (cpg has the ring thread to itself), in memory that is taken for them. */
  userBytesMax: withinMemory(256 * 1024 * 1024, 1 / 4),
  totalBytesMax: withinMemory(512 * 1024 * 1024, 1 / 4),
  /** The smallest block; larger events get one of twice, four times, … that size. */
  blockBytes: 256 * 1024,
  /** What is kept of blocks that nobody uses, of each size. */
  freeBytesMax: 8 * 1024 * 1024,
} as const;

interface Block extends FrameMemory {
  /** Where the next event is read and written. */
  head: number;
  tail: number;
}

const LENGTH_BYTES = 4;
/** By size: those of `blockBytes`, of twice as much, … */
const freeBlocks: Block[][] = [];

/** Memory that waiting events may take, by user and in all: one for all connections of a thread. */
export class EventBudget {
  private readonly users = new Map<number, { bytes: number; readonly queues: Set<EventQueue> }>();
  private total = 0;

  constructor(private readonly limits: { userBytesMax: number; totalBytesMax: number } = EVENT_QUEUE_LIMITS) {}

  /** What a user's clients have of it; `null`: all together have less than `share` of what he may have. */
  shareOf(uid: number, share: number): number | null {
    const { userBytesMax } = this.limits;
    return this.total < share * userBytesMax ? null : (this.users.get(uid)?.bytes ?? 0) / userBytesMax;
  }

  /** `queue` takes `bytes` more. While that is too much, the queue that has most is given up. */
  take(queue: EventQueue, bytes: number): void {
    const user = this.users.get(queue.uid) ?? { bytes: 0, queues: new Set() };
    this.users.set(queue.uid, user);
    user.queues.add(queue);
    user.bytes += bytes;
    this.total += bytes;
    while (user.bytes > this.limits.userBytesMax && largest([user])?.overflow());
    while (this.total > this.limits.totalBytesMax && largest(this.users.values())?.overflow());
  }

  give(queue: EventQueue, bytes: number): void {
    const user = this.users.get(queue.uid);
    if (user === undefined) return;
    user.bytes -= bytes;
    this.total -= bytes;
    if (queue.blockBytes > 0) return;
    user.queues.delete(queue);
    if (user.queues.size === 0) this.users.delete(queue.uid);
  }
}

function largest(users: Iterable<{ readonly queues: ReadonlySet<EventQueue> }>): EventQueue | null {
  let most: EventQueue | null = null;
  for (const { queues } of users)
    for (const queue of queues) if (queue.blockBytes > (most?.blockBytes ?? 0)) most = queue;
  return most;
}

export class EventQueue {
  count = 0;
  bytes = 0;
  /** Memory taken. */
  blockBytes = 0;
  /** Given up, because others need the room. */
  overflowed = false;
  /** Where the event that `reserve` made room for begins, in `memory`. */
  reservedAt = 0;
  private readonly blocks: Block[] = [];

  constructor(
    private readonly budget: EventBudget,
    readonly uid: number,
  ) {}

  /** Copies an event in; `false`: a limit is reached. */
  push(source: Uint8Array, offset: number, length: number): boolean {
    if (!this.reserve(length)) return false;
    this.memory.bytes.set(source.subarray(offset, offset + length), this.reservedAt);
    return true;
  }

  /**
   * Takes an event in that the caller writes, all of it, at `reservedAt` of `memory` before anything else happens here: what lies there may be
   * another client's. `false`: a limit is reached.
   */
  reserve(length: number): boolean {
    if (this.overflowed || this.count >= EVENT_QUEUE_LIMITS.eventsMax) return false;
    if (this.bytes + length > EVENT_QUEUE_LIMITS.bytesMax) return false;
    let block = this.blocks.at(-1);
    if (block === undefined || block.tail + LENGTH_BYTES + length > block.bytes.length) {
      const sizeClass = sizeClassOf(length + LENGTH_BYTES);
      const wanted = EVENT_QUEUE_LIMITS.blockBytes << sizeClass;
      this.blockBytes += wanted;
      this.budget.take(this, wanted);
      if (this.overflowed) return false;
      block = takeBlock(sizeClass);
      this.blocks.push(block);
    }
    block.view.setUint32(block.tail, length);
    this.reservedAt = block.tail + LENGTH_BYTES;
    block.tail = this.reservedAt + length;
    this.count++;
    this.bytes += length;
    return true;
  }

  /** Where the event is that came last. */
  get memory(): FrameMemory {
    const block = this.blocks.at(-1);
    assert(block !== undefined, 'an event waits');
    return block;
  }

  /** Events wait here, or did until there was no room for them: none may overtake them. */
  get waiting(): boolean {
    return this.count > 0 || this.overflowed;
  }

  /** Length of the first event, -1 if there is none. */
  headLength(): number {
    const block = this.blocks[0];
    return block === undefined ? -1 : block.view.getUint32(block.head);
  }

  /** Copies the first event out and removes it. */
  shiftInto(target: Uint8Array, offset: number): void {
    const block = this.blocks[0];
    assert(block !== undefined && this.count > 0, 'an event waits');
    const length = block.view.getUint32(block.head);
    assert(length <= this.bytes && block.head + LENGTH_BYTES + length <= block.tail, 'an event that was pushed');
    const start = block.head + LENGTH_BYTES;
    target.set(block.bytes.subarray(start, start + length), offset);
    block.head = start + length;
    this.count--;
    this.bytes -= length;
    if (block.head === block.tail) {
      this.blocks.shift();
      giveBlock(block);
      this.blockBytes -= block.bytes.length;
      this.budget.give(this, block.bytes.length);
    }
  }

  /** Gives everything up; `true`: there was something. */
  overflow(): boolean {
    this.overflowed = true;
    return this.clear();
  }

  clear(): boolean {
    for (const block of this.blocks) giveBlock(block);
    this.blocks.length = 0;
    this.count = 0;
    this.bytes = 0;
    const given = this.blockBytes;
    this.blockBytes = 0;
    if (given > 0) this.budget.give(this, given);
    return given > 0;
  }
}

function sizeClassOf(bytes: number): number {
  let sizeClass = 0;
  while (EVENT_QUEUE_LIMITS.blockBytes << sizeClass < bytes) sizeClass++;
  return sizeClass;
}

/** The one that was given back last: it is still in the processor's caches. */
function takeBlock(sizeClass: number): Block {
  const recycled = freeBlocks[sizeClass]?.pop();
  if (recycled !== undefined) return recycled;
  return { ...frameMemory(new Uint8Array(EVENT_QUEUE_LIMITS.blockBytes << sizeClass)), head: 0, tail: 0 };
}

function giveBlock(block: Block): void {
  const sizeClass = sizeClassOf(block.bytes.length);
  freeBlocks[sizeClass] ??= [];
  const free = freeBlocks[sizeClass];
  if ((free.length + 1) * block.bytes.length > EVENT_QUEUE_LIMITS.freeBytesMax) return;
  block.head = 0;
  block.tail = 0;
  free.push(block);
}
