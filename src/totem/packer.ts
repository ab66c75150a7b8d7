import { assert } from '../lib/assert.ts';
import { chargedBytes, packetsFor } from '../lib/packet-charge.ts';
import { FramePool } from './frame-pool.ts';
import type { FrameMemory } from './interface.ts';
import type { TotemSrp } from './srp.ts';
import type { GroupTable } from './wire/group-header.ts';
import { Encapsulated } from './wire/header.ts';
import { MCAST_HEADER_BYTES, writeMcastHeader } from './wire/mcast.ts';
import { PG, PG_HEADER_BYTES, writePacketHeader } from './wire/pg-packet.ts';

const HEADERS_BYTES = MCAST_HEADER_BYTES + PG_HEADER_BYTES;
const PIECES_MAX = 2048;
/** Smallest message with its length: an empty payload for group "a". */
const PIECE_BYTES_MIN = 7;
/** Sources below this size are copied in a loop: making a view costs more. */
const LOOP_COPY_BYTES = 64;
const FRAGMENT_MAX = 255;
/**
 * Packing and fragmentation (totem.md 5.2). Messages are written straight into the slot that will be sent. The data has
 * a fixed place; the headers and the length table are put in front of it when the packet is complete, so nothing moves:
 *
 *   slot │ unused │ MCAST header │ packet header │ lengths[k] │ pieces …        │ unused │
 *                                                             ^ dataAt, fixed
 */
export class Packer {
  private readonly memory: FrameMemory;
  /** What packets are filled up to: M, or less while the network loses much (loss-control.ts). */
  private mtu = 0;
  /** What one packet is charged for (packet-charge.ts). */
  packetBytes = 0;
  private piecesMax = 0;
  private slotBytes = 0;
  private readonly lengths: Uint16Array;
  private slot = -1;
  private dataAt = 0;
  private dataBytes = 0;
  private pieces = 0;
  /** Number of the packet that the first piece in the buffer continues, or 0. */
  private pendingContinuation = 0;
  private nextFragment = 1;
  /** The message in hand: where its piece begins, how much data the packet may hold, how much is to come. */
  private pieceStart = 0;
  private limit = 0;
  private remaining = -1;

  constructor(
    private readonly srp: TotemSrp,
    mtu: number,
    private readonly groups: GroupTable,
  ) {
    this.memory = srp.state.memory;
    this.sizeFor(mtu);
    this.lengths = new Uint16Array(this.piecesMax);
  }

  private sizeFor(mtu: number): void {
    this.mtu = mtu;
    this.packetBytes = chargedBytes(mtu);
    this.piecesMax = Math.min(PIECES_MAX, Math.ceil((mtu - PG_HEADER_BYTES) / PIECE_BYTES_MIN));
    this.slotBytes = HEADERS_BYTES + 2 * this.piecesMax + mtu - PG_HEADER_BYTES;
  }

  /** Between two messages: what is packed so far goes as it is, and the next packet has the new size. */
  private resize(mtu: number): void {
    if (this.pieces > 0) this.emit(0);
    if (this.slot >= 0) this.srp.pool.free(this.slot);
    this.slot = -1;
    this.sizeFor(mtu);
    this.srp.sizeQueues(mtu);
  }

  /** Begins a message; `false`: no room, try again after a token visit. Then `append` exactly `payloadBytes`, then `end`. */
  begin(group: number, payloadBytes: number): boolean {
    assert(this.remaining < 0, 'a message is in hand already');
    this.srp.wakeRing();
    const { waitingTransAck, mtu } = this.srp.state;
    // During synchronisation packets have their full size: a message that is split is lost to those who come new in between.
    if (waitingTransAck && this.mtu !== mtu) this.resize(mtu);
    const header = this.groups.headers[group];
    assert(header !== undefined, 'the process group is registered');
    const bytes = header.length + payloadBytes;
    const needed = packetsFor(bytes + 2 * this.pieces, this.packetBytes);
    if (this.srp.sendQueue.avail < needed) return false;
    if (!this.srp.pool.canServe(needed + 2, this.slotBytes, this.pagesKept())) return false;
    if (this.wouldSplitNeedlessly(bytes)) this.emit(0);
    if (this.slot < 0) this.openSlot();
    if (this.pieces === 0) this.srp.state.passage.fills(this.srp.state);
    this.remaining = bytes;
    this.pieceStart = this.dataBytes;
    this.limit = this.mtu - PG_HEADER_BYTES - 2 * (this.pieces + 1);
    this.nextFragment = 1;
    this.append(header, 0, header.length);
    return true;
  }

  /**
   * While the services synchronise, a message that fits into one packet is not split: when synchronisation ends between
   * its two packets, the receivers, stock's too, look for its beginning in the wrong set and throw both away.
   */
  private wouldSplitNeedlessly(bytes: number): boolean {
    if (!this.srp.state.waitingTransAck || this.pieces === 0) return false;
    const room = this.mtu - PG_HEADER_BYTES - 2 * (this.pieces + 1) - this.dataBytes;
    return bytes >= room && bytes < this.mtu - PG_HEADER_BYTES - 2;
  }

  private pagesKept(): number {
    const { tiers, waitingTransAck } = this.srp.state;
    return waitingTransAck ? tiers.synchronization : tiers.applications;
  }

  /** The next bytes of the message. `source` may be the frame memory itself, which is the fastest. */
  append(source: Uint8Array, offset: number, length: number): void {
    assert(length <= this.remaining, 'more bytes than announced');
    while (length > 0) {
      const count = Math.min(length, this.limit - this.dataBytes);
      this.copy(source, offset, count);
      offset += count;
      length -= count;
      this.dataBytes += count;
      this.remaining -= count;
      // A packet that could not take even a short piece any more is sent now, as in stock.
      if (this.dataBytes === this.limit) this.splitPacket();
    }
  }

  end(): void {
    assert(this.remaining === 0, 'fewer bytes than announced');
    this.remaining = -1;
    if (this.dataBytes > this.pieceStart) this.closePiece();
    const full = this.dataBytes + 2 * (this.pieces + 1) >= this.mtu - PG_HEADER_BYTES - 2;
    if (this.pieces === this.piecesMax || full) this.emit(0);
  }

  /** Hands what is packed to the send queue. `force`: also into the slots that a full queue keeps in reserve. */
  flush(force: boolean): void {
    assert(this.remaining < 0, 'flushed in the middle of a message');
    const { waitingTransAck, mtu, loss } = this.srp.state;
    const wanted = waitingTransAck ? mtu : loss.packetBytes;
    if (wanted !== this.mtu) this.resize(wanted);
    if (this.pieces > 0 && (force || this.srp.sendQueue.avail > 0)) this.emit(0);
  }

  /** Nothing waits in the packing buffer. */
  get isEmpty(): boolean {
    return this.pieces === 0;
  }

  private closePiece(): void {
    this.lengths[this.pieces++] = this.dataBytes - this.pieceStart;
  }

  /** The packet is full in the middle, or at the very end, of the message in hand. */
  private splitPacket(): void {
    this.closePiece();
    if (this.remaining === 0) this.emit(0);
    else {
      this.emit(this.nextFragment);
      this.nextFragment = this.nextFragment === FRAGMENT_MAX ? 1 : this.nextFragment + 1;
      if (this.slot < 0) this.openSlot();
    }
    this.pieceStart = 0;
    this.limit = this.mtu - PG_HEADER_BYTES - 2;
  }

  private openSlot(): void {
    this.slot = this.srp.pool.alloc(this.slotBytes);
    assert(this.slot >= 0, 'begin() made sure of the slots');
    this.dataAt = this.slot + HEADERS_BYTES + 2 * this.piecesMax;
  }

  private copy(source: Uint8Array, offset: number, count: number): void {
    const bytes = this.memory.bytes;
    const to = this.dataAt + this.dataBytes;
    if (source === bytes) bytes.copyWithin(to, offset, offset + count);
    else if (count < LOOP_COPY_BYTES) for (let i = 0; i < count; i++) bytes[to + i] = source[offset + i]!;
    else bytes.set(source.subarray(offset, offset + count), to);
  }

  /** Writes the headers in front of the data and queues the packet. */
  private emit(fragmented: number): void {
    const view = this.memory.view;
    const at = this.dataAt - HEADERS_BYTES - 2 * this.pieces;
    const length = HEADERS_BYTES + 2 * this.pieces + this.dataBytes;
    const continuation = this.pendingContinuation;
    writeMcastHeader(view, at, Encapsulated.ORDINARY, this.srp.nodeId);
    writePacketHeader(view, at + MCAST_HEADER_BYTES, fragmented, continuation, this.pieces);
    const table = at + MCAST_HEADER_BYTES + PG.lengths;
    for (let i = 0; i < this.pieces; i++) view.setUint16(table + 2 * i, this.lengths[i]!, true);
    this.pendingContinuation = fragmented;
    this.pieces = 0;
    this.dataBytes = 0;
    const queue = this.srp.sendQueue;
    const small = this.smallSlot(at, length);
    if (small >= 0) this.srp.enqueue(queue, small, length, continuation !== 0);
    else {
      this.srp.enqueue(queue, at, length, continuation !== 0);
      this.slot = -1;
    }
  }

  /** A packet that fills only a fraction of its slot moves to a small one; this one stays open. Or -1. */
  private smallSlot(at: number, length: number): number {
    if (FramePool.slotBytes(length) * 8 > FramePool.slotBytes(this.slotBytes)) return -1;
    const small = this.srp.pool.alloc(length);
    if (small >= 0) this.memory.bytes.copyWithin(small, at, at + length);
    return small;
  }
}
