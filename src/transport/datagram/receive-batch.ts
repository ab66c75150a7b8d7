import { assert } from '../../lib/assert.ts';
import type { Arena } from '../../os/arena.ts';
import {
  CMSG_SLOT_BYTES,
  controlLength,
  IOVEC_BYTES,
  MMSGHDR_BYTES,
  messageFlags,
  messageLength,
  receivedSegmentBytes,
  resetForReceive,
  writeIovec,
  writeMessageHeader,
} from '../../os/message.ts';
import { SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
import { MSG_DONTWAIT, receiveMessages } from '../../os/socket.ts';
import { countOne, type StatCounter } from '../transport.ts';

/** The largest UDP payload, and what the kernel joins at most with GRO. */
export const BUFFER_BYTES = 65_536;
const MSG_TRUNC = 0x20;

/**
 * One recvmmsg after the other into the same buffers. The kernel joins equal-sized datagrams of one sender (UDP_GRO), so that one
 * buffer may hold dozens of frames; `next` hands them out one by one.
 *
 *   batch.receive(fd);  while (batch.next()) use(batch.offset, batch.bytes, batch.source);
 */
export class ReceiveBatch {
  /** Of the frame in hand: where it lies in the arena, its length, and where its source address lies. */
  offset = 0;
  bytes = 0;
  source = 0;
  /** What the last `receive` returned when nothing was read: 0 or -errno. */
  error = 0;
  private readonly headers: number;
  private readonly controls: number;
  private readonly names: number;
  private readonly buffers: number;
  private count = 0;
  private index = -1;
  private segmentBytes = 0;
  private rest = 0;

  constructor(
    private readonly arena: Arena,
    /** Buffers, hence most datagrams (or joined runs of them) per system call. */
    readonly size: number,
    /** Counts datagrams larger than any buffer. */
    private readonly truncated: StatCounter,
    /** Where `size` buffers of BUFFER_BYTES lie, for who keeps them in a layout of its own. */
    buffers = arena.allocate(size * BUFFER_BYTES, 4096),
    /** The kernel; tests give one of their own. */
    private readonly read: typeof receiveMessages = receiveMessages,
  ) {
    this.headers = arena.allocate(size * MMSGHDR_BYTES, 64);
    const iovecs = arena.allocate(size * IOVEC_BYTES, 64);
    this.controls = arena.allocate(size * CMSG_SLOT_BYTES, 64);
    this.names = arena.allocate(size * SOCKADDR_BYTES_MAX, 64);
    this.buffers = buffers;
    for (let i = 0; i < size; i++) {
      const iovec = iovecs + i * IOVEC_BYTES;
      writeIovec(arena, iovec, this.buffers + i * BUFFER_BYTES, BUFFER_BYTES);
      const name = this.names + i * SOCKADDR_BYTES_MAX;
      const control = this.controls + i * CMSG_SLOT_BYTES;
      const header = this.headers + i * MMSGHDR_BYTES;
      writeMessageHeader(arena, header, name, SOCKADDR_BYTES_MAX, iovec, 1, control, CMSG_SLOT_BYTES);
    }
  }

  /**
   * Reads what waits into at most `buffersMax` buffers. Returns how many were filled: 0 means that nothing waited, fewer than
   * were offered that no more does.
   */
  receive(fd: number, buffersMax = this.size): number {
    for (let i = 0; i < this.count; i++) {
      resetForReceive(this.arena, this.headers + i * MMSGHDR_BYTES, SOCKADDR_BYTES_MAX, CMSG_SLOT_BYTES);
    }
    assert(buffersMax > 0 && buffersMax <= this.size, 'no more is offered than there is');
    const count = this.read(fd, this.arena.address + this.headers, buffersMax, MSG_DONTWAIT);
    assert(count <= buffersMax, 'no more is filled than was offered');
    this.count = Math.max(count, 0); // an ICMP error of an earlier send ends up here too: nothing to read this time
    this.error = Math.min(count, 0);
    this.index = -1;
    this.rest = 0;
    return this.count;
  }

  next(): boolean {
    while (this.rest === 0) {
      if (++this.index >= this.count) return false;
      const header = this.headers + this.index * MMSGHDR_BYTES;
      if ((messageFlags(this.arena, header) & MSG_TRUNC) !== 0) {
        countOne(this.truncated);
        continue;
      }
      this.rest = messageLength(this.arena, header);
      assert(this.rest >= 0 && this.rest <= BUFFER_BYTES, 'what was received fits its buffer');
      this.offset = this.buffers + this.index * BUFFER_BYTES;
      this.bytes = 0;
      this.source = this.names + this.index * SOCKADDR_BYTES_MAX;
      const control = controlLength(this.arena, header) > 0 ? this.controls + this.index * CMSG_SLOT_BYTES : 0;
      const joined = control === 0 ? 0 : receivedSegmentBytes(this.arena, header, control);
      this.segmentBytes = joined > 0 ? joined : this.rest;
    }
    this.offset += this.bytes;
    this.bytes = Math.min(this.rest, this.segmentBytes);
    this.rest -= this.bytes;
    return true;
  }

  /** Throws away what `next` has not handed out; returns how many buffers that were. */
  discardRest(): number {
    const left = this.count - this.index - 1 + (this.rest > 0 ? 1 : 0);
    this.index = this.count;
    this.rest = 0;
    return Math.max(left, 0);
  }
}
