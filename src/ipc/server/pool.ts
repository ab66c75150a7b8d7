import { assert } from '../../lib/assert.ts';
import type { RingMemory } from '../../lib/qbring/layout.ts';
import { QB_HEADER, qbDataBytes } from '../../lib/qbring/layout.ts';
import { qbRingMemory } from '../../lib/qbring/setup.ts';
import { Arena, PAGE_BYTES, pageAlign } from '../../os/arena.ts';
import { Errno, OsError } from '../../os/errno.ts';
import { IPC_LIMITS } from '../protocol.ts';
import { EventBudget } from './event-queue.ts';

/**
 * Address space for the rings of connections. A slot holds three rings; slots are recycled, and come in three sizes so that a client
 * cannot use address space up by asking for many different maximum message sizes.
 *
 *   slot:  header | header | header | request data twice | response data twice | event data twice
 *
 * The first arena may be the caller's: then the rings of (the first few hundred) clients lie in the same views as its frames, and a
 * message moves between them by `copyWithin`. Further arenas are added when it is full.
 */
export class RingPool {
  /** What may wait for the connections of this thread. */
  readonly events = new EventBudget();
  private readonly free: Slot[][] = SLOT_MESSAGE_BYTES.map(() => []);
  private readonly arenas: Arena[] = [];

  constructor(
    first: Arena | null = null,
    private readonly arenaBytes: number = 256 * 1024 * 1024,
    private readonly arenasMax: number = 128,
  ) {
    if (first !== null) this.arenas.push(first);
  }

  /** A slot for that message size, or -errno. */
  take(maxMessageBytes: number): Slot | number {
    const size = SLOT_MESSAGE_BYTES.findIndex((bytes) => bytes >= maxMessageBytes);
    if (size < 0) return -Errno.EMSGSIZE;
    const recycled = this.free[size]!.pop();
    if (recycled !== undefined) return inUse(recycled);
    const fresh = this.carve(size);
    if (typeof fresh !== 'number') return fresh;
    // What others asked for and left is not lost for this one.
    for (let larger = size + 1; larger < this.free.length; larger++) {
      const slot = this.free[larger]!.pop();
      if (slot !== undefined) return inUse(slot);
    }
    return fresh;
  }

  private carve(size: number): Slot | number {
    const bytes = slotBytes(SLOT_MESSAGE_BYTES[size]!);
    let arena = this.arenas.find((candidate) => candidate.freeBytes >= bytes + PAGE_BYTES);
    if (arena === undefined) {
      if (this.arenas.length >= this.arenasMax) return -Errno.ENOMEM;
      const mapped = mapArena(Math.max(this.arenaBytes, bytes + 2 * PAGE_BYTES));
      if (typeof mapped === 'number') return mapped;
      arena = mapped;
      this.arenas.push(arena);
    }
    return { arena, offset: arena.allocate(bytes, PAGE_BYTES), size, bytes, mapped: false, used: true };
  }

  /**
   * Takes a slot back; its files are given up here, so nobody may touch its rings afterwards. One that cannot be unmapped is not used
   * again: the client still has its files.
   */
  give(slot: Slot): void {
    assert(slot.used, 'a slot is given back once');
    slot.used = false;
    if (slot.mapped && slot.arena.unmapFile(slot.offset, slot.bytes) < 0) return;
    slot.mapped = false;
    this.free[slot.size]!.push(slot);
  }
}

function inUse(slot: Slot): Slot {
  assert(!slot.used, 'a slot has one user');
  slot.used = true;
  return slot;
}

/** An arena, or -errno where address space is limited: no reason to end the daemon. */
function mapArena(bytes: number): Arena | number {
  try {
    return Arena.map(bytes);
  } catch (error) {
    return error instanceof OsError ? -error.errnoNumber : -Errno.ENOMEM;
  }
}

export interface Slot {
  readonly arena: Arena;
  readonly offset: number;
  readonly size: number;
  readonly bytes: number;
  /** Files of a client lie in it. */
  mapped: boolean;
  /** A connection has it. */
  used: boolean;
}

const SLOT_MESSAGE_BYTES = [65_536, IPC_LIMITS.messageBytesDefault, IPC_LIMITS.messageBytesMax] as const;
const HEADER_BYTES = pageAlign(QB_HEADER.mappedBytes);
const slotBytes = (maxMessageBytes: number): number => 3 * (HEADER_BYTES + 2 * qbDataBytes(maxMessageBytes));

/** Ring number `index` (request, response, event) of a slot. */
export function slotRing(slot: Slot, index: number, maxMessageBytes: number): RingMemory {
  const dataBytes = qbDataBytes(maxMessageBytes);
  const header = slot.offset + index * HEADER_BYTES;
  const data = slot.offset + 3 * HEADER_BYTES + index * 2 * dataBytes;
  return qbRingMemory(slot.arena.u8, slot.arena.i32, header, data, dataBytes);
}
