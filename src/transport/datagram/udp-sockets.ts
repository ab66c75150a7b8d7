import type { LinkConfig, TotemConfig } from '../../config/totem-config.ts';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
import { transportDrop } from '../drops.ts';
import type { TransportHost } from '../transport.ts';
import { openDatagramSocket } from './datagram-socket.ts';
import type { DatagramInput, DatagramSockets } from './datagram-transport.ts';
import type { InterfaceAddress } from './interface-address.ts';
import type { MemberAddresses } from './members.ts';
import { interfaceIndex, joinGroup, setMulticastOptions } from './multicast-group.ts';
import { ReceiveBatch } from './receive-batch.ts';

/** Stock asks for 16 frames of 65 536 bytes (totem.md 2). */
const SOCKET_BUFFER_BYTES = 1_048_576;
const RECEIVE_BUFFERS = 16;

/**
 * udp: multicasts to a group, tokens from address to address (totem.md 6.3).
 *
 *   multicasts bound to (group, p), joined        multicasts of the others
 *   send       bound to (own address, p − 1)      multicasts and tokens
 *   tokens     bound to (own address, p)          tokens
 *
 * A token can overtake the multicasts that it accounts for, because they come through different sockets: the core asks for
 * the first to be drained before it acts on one.
 *
 * Without SO_REUSEADDR, which stock sets: of UDP it lets any local user bind the same address, and have its packets.
 */
export class UdpSockets implements DatagramSockets {
  readonly inputs: readonly DatagramInput[];
  readonly multicasts: DatagramInput;
  readonly fatalWithoutInterface = false;
  readonly rebindAlways = true;
  readonly logsMembers = false;
  sendFd = -1;
  /** The socket address of the group, the one destination of every multicast. */
  readonly destinations: { first: number; count: number; nameBytes: number; strideBytes: number };
  private readonly tokens: DatagramInput;
  private readonly scratchName: number;

  constructor(
    private readonly host: Pick<TransportHost, 'arena' | 'counter' | 'nowMs' | 'wire'>,
    private readonly link: LinkConfig,
    private readonly members: MemberAddresses,
  ) {
    const { arena } = host;
    const truncated = transportDrop(host, 'truncated');
    const batch = (): ReceiveBatch =>
      new ReceiveBatch(arena, RECEIVE_BUFFERS, truncated, undefined, host.wire?.receive);
    this.multicasts = { fd: -1, batch: batch() };
    this.tokens = { fd: -1, batch: batch() };
    this.inputs = [this.multicasts, this.tokens];
    this.destinations = { first: arena.allocate(SOCKADDR_BYTES_MAX, 8), count: 1, nameBytes: 0, strideBytes: 0 };
    this.scratchName = arena.allocate(SOCKADDR_BYTES_MAX, 8);
  }

  open(at: InterfaceAddress, { ipDscp }: TotemConfig): void {
    const { multicastAddress, port, broadcast, ttl } = this.link;
    const { arena, wire } = this.host;
    const common = { scopeId: at.index, bufferBytes: SOCKET_BUFFER_BYTES, broadcast, ipDscp };
    const socket = (address: string, at: number): number =>
      openDatagramSocket(arena, this.scratchName, { ...common, address, port: at }, wire);
    this.multicasts.fd = socket(multicastAddress, port);
    this.sendFd = socket(at.address, port - 1);
    this.tokens.fd = socket(at.address, port);
    if (!broadcast) {
      joinGroup(this.multicasts.fd, multicastAddress, at);
      setMulticastOptions(this.sendFd, at, ttl);
    }
    const { destinations } = this;
    destinations.nameBytes = encodeSockaddr(arena.u8, destinations.first, multicastAddress, port, interfaceIndex(at));
  }

  /** Whoever sends to the group is heard; that a member did is noted, for who wants to know how long one has been silent. */
  accepts(batch: ReceiveBatch): boolean {
    this.members.hear(batch.source, this.host);
    return true;
  }
}
