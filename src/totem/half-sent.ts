import type { UnfinishedMessage } from './assembler.ts';
import type { FramePool } from './frame-pool.ts';
import type { FrameMemory } from './interface.ts';
import type { Packet, SendQueue } from './send-queue.ts';
import type { TotemSrp } from './srp.ts';
import { Encapsulated } from './wire/header.ts';
import { MCAST_HEADER_BYTES, writeMcastHeader } from './wire/mcast.ts';
import { PG, PG_HEADER_BYTES, writePacketHeader } from './wire/pg-packet.ts';

const HEADERS_BYTES = MCAST_HEADER_BYTES + PG_HEADER_BYTES;
const FRAGMENT_MAX = 255;
/** Slots of the queue for the reset, and for packets that are queued whatever `avail` says. */
const SLOTS_KEPT = 5;

/**
 * A message whose beginning is on the ring, and whose rest waits, when nodes join that do not know the beginning. Stock
 * sends the rest: the old members deliver the message and the new ones do not (totem.md 5.3), and if it was the leave of a
 * process, they list that process until the next change of the membership. Here everybody gets it.
 *
 * Nothing is kept for that while messages are sent: a node receives its own packets, so what it has assembled of its own
 * message is what has been sent of it.
 */
export class HalfSent {
  private readonly memory: FrameMemory;
  private readonly pool: FramePool;
  /** Bytes of a message that fill a packet of their own. */
  private readonly room: number;

  constructor(
    private readonly srp: TotemSrp,
    mtu: number,
  ) {
    this.memory = srp.state.memory;
    this.pool = srp.pool;
    this.room = mtu - PG_HEADER_BYTES - 2;
  }

  /**
   * Puts the beginning in front of `queue` again, so that the message is sent as a whole:
   *
   *   on the ring: … [A | B1]   [B2]   [B3]        queued:                         [B4]   [B5 | C]
   *   nodes join:                                  queued: [reset] [B1] [B2] [B3]  [B4]   [B5 | C]
   *
   * The reset is a packet that every receiver throws away, because it continues nothing that anybody has begun, and with it
   * what the old members have kept of the message, because nothing of it is to come (fragmented 0). `begun` is what this
   * node itself has kept. False: that is something else, or there is no room; nothing was changed.
   */
  sendAgain(queue: SendQueue, begun: UnfinishedMessage | null): boolean {
    if (!queue.headContinues || begun === null) return false;
    const continuation = this.memory.view.getUint8(queue.headOffset + MCAST_HEADER_BYTES + PG.continuation);
    if (begun.lastFragment !== continuation || continuation === 0) return false;
    const fewest = Math.ceil(begun.length / this.room);
    // The last packet has the number that the rest goes on from. There were more than the fewest if packets were small.
    let count = continuation;
    while (count < fewest) count += FRAGMENT_MAX;
    if (count > begun.length) return false;
    if (queue.slotsFree < count + SLOTS_KEPT) return false;
    const packets: Packet[] = [];
    const reset = this.packet(0, fragmentOf(continuation), Uint8Array.of(0), 0, 1, false);
    if (reset !== null) packets.push(reset);
    // The first packet may be a short one, as the first time: then all numbers are those of the first time, too.
    const endOf = (i: number): number =>
      begun.offset +
      (count === fewest ? begun.length - (count - 1 - i) * this.room : Math.floor(((i + 1) * begun.length) / count));
    let from = begun.offset;
    for (let i = 0; i < count && packets.length === i + 1; i++) {
      const packet = this.packet(fragmentOf(i), i === 0 ? 0 : fragmentOf(i - 1), begun.bytes, from, endOf(i), i > 0);
      if (packet !== null) packets.push(packet);
      from = endOf(i);
    }
    if (packets.length < count + 1) {
      for (const { offset } of packets) this.pool.free(offset);
      return false;
    }
    queue.pushFront(packets);
    return true;
  }

  /** A packet with one piece, or null without memory. */
  private packet(
    fragmented: number,
    continuation: number,
    source: Uint8Array,
    from: number,
    to: number,
    continues: boolean,
  ): Packet | null {
    const { bytes, view } = this.memory;
    const length = HEADERS_BYTES + 2 + to - from;
    const at = this.pool.alloc(length, this.srp.state.tiers.synchronization);
    if (at < 0) return null;
    writeMcastHeader(view, at, Encapsulated.ORDINARY, this.srp.nodeId);
    writePacketHeader(view, at + MCAST_HEADER_BYTES, fragmented, continuation, 1);
    view.setUint16(at + HEADERS_BYTES, to - from, true);
    bytes.set(source.subarray(from, to), at + HEADERS_BYTES + 2);
    return { offset: at, length, continues };
  }

  /**
   * If it cannot be sent again, the rest at least must not share a packet with others: who comes new throws the whole packet
   * away, and those it is linked to. Stock's packets lose messages for newcomers there; splitting one packet is enough to
   * lose none but the half-sent one.
   */
  isolate(queue: SendQueue): void {
    if (!queue.headContinues) return;
    const view = this.memory.view;
    for (let index = 0; index < queue.length; index++) {
      const body = queue.offsetAt(index) + MCAST_HEADER_BYTES;
      const pieces = view.getUint16(body + PG.msgCount, true);
      if (pieces > 1) {
        this.splitBehindFirst(queue, index, pieces);
        return;
      }
      if (view.getUint8(body + PG.fragmented) === 0) return;
    }
  }

  private splitBehindFirst(queue: SendQueue, index: number, pieces: number): void {
    const { bytes, view } = this.memory;
    const at = queue.offsetAt(index);
    const length = queue.lengthAt(index);
    const table = at + MCAST_HEADER_BYTES + PG.lengths;
    const firstBytes = view.getUint16(table, true);
    const restAt = queue.slotsFree > 0 ? this.pool.alloc(length) : -1;
    if (restAt < 0) return; // no memory: as stock does
    // The rest: the same headers, the other lengths, the other pieces.
    const restTable = restAt + MCAST_HEADER_BYTES + PG.lengths;
    bytes.copyWithin(restAt, at, table);
    bytes.copyWithin(restTable, table + 2, table + 2 * pieces);
    const data = table + 2 * pieces;
    bytes.copyWithin(restTable + 2 * (pieces - 1), data + firstBytes, at + length);
    const fragmented = view.getUint8(at + MCAST_HEADER_BYTES + PG.fragmented);
    writePacketHeader(view, restAt + MCAST_HEADER_BYTES, fragmented, 0, pieces - 1);
    // The end of the message stays where it is; its headers move to just before it.
    const endAt = data - 2 - HEADERS_BYTES;
    const continuation = view.getUint8(at + MCAST_HEADER_BYTES + PG.continuation);
    bytes.copyWithin(endAt, at, at + HEADERS_BYTES);
    writePacketHeader(view, endAt + MCAST_HEADER_BYTES, 0, continuation, 1);
    view.setUint16(endAt + HEADERS_BYTES, firstBytes, true);
    queue.split(
      index,
      { offset: endAt, length: HEADERS_BYTES + 2 + firstBytes, continues: true },
      { offset: restAt, length: length - 2 - firstBytes, continues: false },
    );
  }
}

/** Numbers of fragments go from 1 to 255 and begin again with 1. */
const fragmentOf = (index: number): number => (index % FRAGMENT_MAX) + 1;
