import type { Arena } from '../../os/arena.ts';
import { controlLength, IOVEC_BYTES, MMSGHDR_BYTES, writeIovec, writeMessageHeader } from '../../os/message.ts';
import { SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
import { IPPROTO_IP, IPPROTO_IPV6, IpOption, Ipv6Option, MSG_DONTWAIT, receiveMessage } from '../../os/socket.ts';

const MSG_ERRQUEUE = 0x2000;
const CONTROL_BYTES = 256;
const DATA_BYTES = 64;
const EMSGSIZE = 90;
const ECONNREFUSED = 111;
const ORIGIN_LOCAL = 1;
const ERRORS_PER_DRAIN_MAX = 256;

/**
 * The error queue of a socket (IP_RECVERR): what ICMP, or the kernel itself, reported about packets sent earlier. An entry is
 * the destination of that packet and a `sock_extended_err`:
 *
 *   control:  cmsghdr 16 | errno u32 | origin u8 | type u8 | code u8 | pad | info u32 (the MTU) | data u32 | …
 */
export class ErrorQueue {
  /** Of the entry that `next` found: where the packet's destination address lies, the error, the MTU it names or 0. */
  readonly name: number;
  errno = 0;
  mtu = 0;
  /** The own kernel refused the packet, no router did. */
  local = false;
  private readonly header: number;
  private readonly iovec: number;
  private readonly control: number;
  private readonly data: number;

  constructor(private readonly arena: Arena) {
    this.header = arena.allocate(MMSGHDR_BYTES, 64);
    this.iovec = arena.allocate(IOVEC_BYTES, 64);
    this.control = arena.allocate(CONTROL_BYTES, 64);
    this.name = arena.allocate(SOCKADDR_BYTES_MAX, 64);
    this.data = arena.allocate(DATA_BYTES, 64);
    writeIovec(arena, this.iovec, this.data, DATA_BYTES);
  }

  /** Takes the next entry; `false` when there is none. Entries without an extended error have errno 0. */
  next(fd: number): boolean {
    const { arena } = this;
    writeMessageHeader(arena, this.header, this.name, SOCKADDR_BYTES_MAX, this.iovec, 1, this.control, CONTROL_BYTES);
    arena.u16[this.name >> 1] = 0;
    const result = receiveMessage(fd, arena.address + this.header, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (result < 0) return false;
    this.errno = 0;
    this.mtu = 0;
    this.local = false;
    const word = this.control >> 2;
    if (controlLength(arena, this.header) < 32) return true;
    const level = arena.i32[word + 2];
    const type = arena.i32[word + 3];
    const extended =
      (level === IPPROTO_IP && type === IpOption.RECVERR) || (level === IPPROTO_IPV6 && type === Ipv6Option.RECVERR);
    if (!extended) return true;
    this.errno = arena.u32[word + 4]!;
    this.local = (arena.u32[word + 5]! & 0xff) === ORIGIN_LOCAL;
    if (this.errno === EMSGSIZE) this.mtu = arena.u32[word + 6]!;
    return true;
  }

  /** Hands every entry to `each`. */
  drain(fd: number, each: () => void): void {
    for (let i = 0; i < ERRORS_PER_DRAIN_MAX && this.next(fd); i++) each();
  }

  /** Nobody listens on the port: the host lives, its daemon does not. */
  get refused(): boolean {
    return this.errno === ECONNREFUSED && !this.local;
  }

  get tooBig(): boolean {
    return this.errno === EMSGSIZE;
  }
}
