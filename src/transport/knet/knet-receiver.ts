import type { AddressTable } from '../../knet/address.ts';
import { KNET } from '../../knet/constants.ts';
import type { RxBatch } from '../../knet/rx-batch.ts';
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
  writeHeader,
  writeIovec,
} from '../../os/message.ts';
import { SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
import { MSG_DONTWAIT, receiveMessages } from '../../os/socket.ts';
import { lookUpSource } from './knet-addresses.ts';

const BUFFER_BYTES = 65_536;
const MSG_TRUNC = 0x20;

/**
 * recvmmsg into fixed buffers; the kernel joins datagrams of one sender (UDP_GRO), so that a buffer may hold dozens of
 * packets. Fills a batch of the core; the tag of a packet is where its source address lies.
 */
export class KnetReceiver {
  private readonly headers: number;
  private readonly controls: number;
  private readonly names: number;
  private readonly buffers: number;
  private used = 0;
  /** Datagrams larger than any buffer. */
  truncated = 0;
  /** What the last `receive` answered when nothing was read: 0 or a negative errno. */
  error = 0;
  /** Packets of the buffers that were too many for the batch. */
  private nextBuffer = 0;
  private nextOffset = 0;

  constructor(
    private readonly arena: Arena,
    private readonly rxAt: number,
    rxBytes: number,
    private readonly addresses: AddressTable,
  ) {
    this.buffers = Math.floor(rxBytes / BUFFER_BYTES);
    const count = this.buffers;
    this.headers = arena.allocate(count * MMSGHDR_BYTES, 64);
    const iovecs = arena.allocate(count * IOVEC_BYTES, 64);
    this.controls = arena.allocate(count * CMSG_SLOT_BYTES, 64);
    this.names = arena.allocate(count * SOCKADDR_BYTES_MAX, 64);
    for (let i = 0; i < count; i++) {
      const iovec = iovecs + i * IOVEC_BYTES;
      writeIovec(arena, iovec, arena.address + rxAt + i * BUFFER_BYTES, BUFFER_BYTES);
      const control = this.controls + i * CMSG_SLOT_BYTES;
      writeHeader(arena, this.header(i), this.name(i), SOCKADDR_BYTES_MAX, iovec, 1, control, CMSG_SLOT_BYTES);
    }
  }

  private header(buffer: number): number {
    return this.headers + buffer * MMSGHDR_BYTES;
  }
  private name(buffer: number): number {
    return this.names + buffer * SOCKADDR_BYTES_MAX;
  }

  /** One system call. Answers whether something was read; then call `fill` until it answers false. */
  receive(fd: number, buffersMax: number): boolean {
    for (let i = 0; i < this.used; i++) {
      resetForReceive(this.arena, this.header(i), SOCKADDR_BYTES_MAX, CMSG_SLOT_BYTES);
    }
    const count = Math.max(1, Math.min(this.buffers, buffersMax));
    const result = receiveMessages(fd, this.arena.address + this.headers, count, MSG_DONTWAIT);
    this.used = Math.max(0, result);
    this.error = Math.min(0, result);
    this.nextBuffer = 0;
    this.nextOffset = 0;
    return this.used > 0;
  }

  /** The last `receive` filled every buffer it was given: more may wait. */
  filled(buffersMax: number): boolean {
    return this.used >= Math.max(1, Math.min(this.buffers, buffersMax));
  }

  /** Adds what was received to the batch. `false`: there was nothing more. */
  fill(batch: RxBatch): boolean {
    while (this.nextBuffer < this.used) {
      if (!this.addBuffer(batch)) return true;
      this.nextBuffer++;
      this.nextOffset = 0;
    }
    return batch.count > 0;
  }

  discard(): void {
    this.nextBuffer = this.used;
  }

  /** `false`: the batch is full, the rest of the buffer comes with the next one. */
  private addBuffer(batch: RxBatch): boolean {
    const { arena } = this;
    const buffer = this.nextBuffer;
    const header = this.header(buffer);
    if ((messageFlags(arena, header) & MSG_TRUNC) !== 0) {
      this.truncated++;
      return true;
    }
    const length = messageLength(arena, header);
    const control = this.controls + buffer * CMSG_SLOT_BYTES;
    const joined = controlLength(arena, header) > 0 ? receivedSegmentBytes(arena, header, control) : 0;
    const step = joined > 0 ? joined : Math.max(length, 1);
    const name = this.name(buffer);
    const source = lookUpSource(arena, name, this.addresses);
    const at = this.rxAt + buffer * BUFFER_BYTES;
    let offset = this.nextOffset;
    for (; offset < length; offset += step) {
      if (batch.full) {
        this.nextOffset = offset;
        return false;
      }
      batch.add(at + offset, Math.min(step, length - offset, KNET.datagramBytesMax), source, name);
    }
    return true;
  }
}
