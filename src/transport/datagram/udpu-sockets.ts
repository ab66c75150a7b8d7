import type { LinkConfig, TotemConfig } from '../../config/totem-config.ts';
import { SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
import { ANYBODY, directSender } from '../../totem/wire/direct-sender.ts';
import { transportDrop } from '../drops.ts';
import { countOne, type StatCounter, type TransportHost } from '../transport.ts';
import { openDatagramSocket } from './datagram-socket.ts';
import type { DatagramInput, DatagramSockets } from './datagram-transport.ts';
import type { InterfaceAddress } from './interface-address.ts';
import type { MemberAddresses } from './members.ts';
import { ReceiveBatch } from './receive-batch.ts';

/** Stock asks for 16 receive frames of 136 192 bytes (totem.md 2). */
const SOCKET_BUFFER_BYTES = 2_179_072;
const RECEIVE_BUFFERS = 16;

/**
 * udpu: every multicast is one datagram per member (totem.md 6.2).
 *
 * One socket does everything: stock receives all datagrams on the token socket too, and checks the source by address only, so
 * the ephemeral source ports of its sending sockets are not needed. The network keeps the order of tokens and multicasts.
 */
export class UdpuSockets implements DatagramSockets {
  readonly inputs: readonly DatagramInput[];
  readonly multicasts = null;
  readonly fatalWithoutInterface = true;
  readonly rebindAlways = false;
  readonly logsMembers = true;
  sendFd = -1;
  private readonly input: DatagramInput;
  private readonly rejected: StatCounter;
  private readonly foreign: StatCounter;
  private readonly scratchName: number;

  constructor(
    private readonly host: Pick<TransportHost, 'arena' | 'counter' | 'nowMs' | 'wire'>,
    private readonly link: LinkConfig,
    readonly destinations: MemberAddresses,
  ) {
    const truncated = transportDrop(host, 'truncated');
    const read = host.wire?.receive;
    this.input = { fd: -1, batch: new ReceiveBatch(host.arena, RECEIVE_BUFFERS, truncated, undefined, read) };
    this.inputs = [this.input];
    this.scratchName = host.arena.allocate(SOCKADDR_BYTES_MAX, 8);
    this.rejected = transportDrop(host, 'unlisted');
    this.foreign = transportDrop(host, 'foreignSender');
  }

  open(at: InterfaceAddress, { ipDscp }: TotemConfig): void {
    this.input.fd = openDatagramSocket(
      this.host.arena,
      this.scratchName,
      {
        address: at.address,
        port: this.link.port,
        scopeId: at.index,
        bufferBytes: SOCKET_BUFFER_BYTES,
        broadcast: false,
        ipDscp,
      },
      this.host.wire,
    );
    this.sendFd = this.input.fd;
  }

  /** Without `block_unlisted_ips: no`, only members are heard, each for himself only: what is sent in one hop comes from its sender's address. */
  accepts(batch: ReceiveBatch, { filter }: TotemConfig): boolean {
    const { source } = batch;
    const isMember = this.destinations.hear(source, this.host);
    if (!filter.blockUnlistedIps) return true;
    if (!isMember) return count(this.rejected);
    const sender = directSender(this.host.arena.data, batch.offset, batch.bytes);
    return sender === ANYBODY || this.destinations.isAddressOf(source, sender) || count(this.foreign);
  }
}

function count(refused: StatCounter): false {
  countOne(refused);
  return false;
}
