import type { Arena } from '../../os/arena.ts';
import { closeFd } from '../../os/fd.ts';
import {
  IOVEC_BYTES,
  iovecBytes,
  iovecOffset,
  MMSGHDR_BYTES,
  messageControl,
  messageIovec,
  messageIovecs,
  messageName,
  segmentBytesOf,
  writeReceived,
} from '../../os/message.ts';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
import { openSocketPair, SOCK_DGRAM } from '../../os/socket.ts';
import type { UdpSocketOptions } from '../../transport/udp-socket.ts';
import type { Wire } from '../../transport/wire.ts';

/** Datagrams, or runs of them, that wait for one socket; more are lost, as on a network. */
const SLOTS = 32;
const SLOT_BYTES = 65_536;
const EAGAIN = -11;
/** Words of a socket address that are compared: family and port, and the last four bytes of the address. */
const V4_ADDRESS_WORD = 1;
const V6_ADDRESS_WORD = 5;

/** A socket of one of the nodes, and what waits for it. */
class End {
  readonly lengths = new Int32Array(SLOTS);
  readonly segments = new Int32Array(SLOTS);
  readonly sources = new Int32Array(SLOTS);
  first = 0;
  count = 0;
  readonly slots: number;

  constructor(
    arena: Arena,
    readonly owner: MemoryWire,
    readonly name: number,
    readonly nameBytes: number,
    readonly addressWord: number,
  ) {
    this.slots = arena.allocate(SLOTS * SLOT_BYTES, 64);
  }
}

/** What the nodes of the warm-up share for a network. */
export class MemoryNetwork {
  readonly ends = new Map<number, End>();

  constructor(readonly arena: Arena) {}

  /** Whom a datagram for the address at `name` reaches. */
  *reached(name: number, sender: End): Iterable<End> {
    for (const end of this.ends.values()) if (end.owner !== sender.owner && this.isNamed(end, name)) yield end;
  }

  private isNamed(end: End, name: number): boolean {
    const { u32 } = this.arena;
    const [at, other] = [end.name >> 2, name >> 2];
    return u32[at] === u32[other] && u32[at + end.addressWord] === u32[other + end.addressWord];
  }
}

/**
 * A node's way into a network that is nothing but memory of this thread. It reads and writes the same structures as the kernel does in sendmmsg and
 * recvmmsg, runs that are cut and joined included. Its descriptors are of sockets to which nobody writes.
 */
export class MemoryWire implements Wire {
  private readonly others: number[] = [];

  constructor(private readonly network: MemoryNetwork) {}

  readonly find: Wire['find'] = (address) => ({ name: 'warm-up', address, index: 1 });

  readonly open: Wire['open'] = (_arena, _scratchName, { address, port }: UdpSocketOptions) => {
    const { arena, ends } = this.network;
    const [fd, other] = openSocketPair(SOCK_DGRAM);
    this.others.push(other);
    const name = arena.allocate(SOCKADDR_BYTES_MAX, 64);
    const bytes = encodeSockaddr(arena.u8, name, address, port, 0);
    ends.set(fd, new End(arena, this, name, bytes, address.includes(':') ? V6_ADDRESS_WORD : V4_ADDRESS_WORD));
    return fd;
  };

  readonly send: Wire['send'] = (fd, headers, count) => {
    const { arena, ends } = this.network;
    const sender = ends.get(fd);
    if (sender === undefined) return EAGAIN;
    for (let index = 0; index < count; index++) {
      const header = headers - arena.address + index * MMSGHDR_BYTES;
      for (const end of this.network.reached(messageName(arena, header), sender)) this.deliver(header, sender, end);
    }
    return count;
  };

  private deliver(header: number, sender: End, end: End): void {
    if (end.count === SLOTS) return;
    const { arena } = this.network;
    const slot = (end.first + end.count++) % SLOTS;
    const to = end.slots + slot * SLOT_BYTES;
    const iovecs = messageIovec(arena, header);
    let length = 0;
    for (let piece = 0; piece < messageIovecs(arena, header); piece++) {
      const from = iovecOffset(arena, iovecs + piece * IOVEC_BYTES);
      const bytes = iovecBytes(arena, iovecs + piece * IOVEC_BYTES);
      arena.u8.copyWithin(to + length, from, from + bytes);
      length += bytes;
    }
    const control = messageControl(arena, header);
    end.lengths[slot] = length;
    end.segments[slot] = control < 0 ? 0 : segmentBytesOf(arena, control);
    end.sources[slot] = sender.name;
  }

  readonly receive: Wire['receive'] = (fd, headers, buffers) => {
    const { arena, ends } = this.network;
    const end = ends.get(fd);
    if (end === undefined || end.count === 0) return EAGAIN;
    let filled = 0;
    for (; filled < buffers && end.count > 0; filled++) {
      const header = headers - arena.address + filled * MMSGHDR_BYTES;
      const length = end.lengths[end.first]!;
      const from = end.slots + end.first * SLOT_BYTES;
      arena.u8.copyWithin(iovecOffset(arena, messageIovec(arena, header)), from, from + length);
      const source = end.sources[end.first]!;
      arena.u8.copyWithin(messageName(arena, header), source, source + end.nameBytes);
      writeReceived(arena, header, end.nameBytes, length, messageControl(arena, header), end.segments[end.first]!);
      end.first = (end.first + 1) % SLOTS;
      end.count--;
    }
    return filled;
  };

  /** After the transport has closed its sockets. */
  close(): void {
    for (const fd of this.others.splice(0)) closeFd(fd);
  }
}
