import type { Arena } from '../../os/arena.ts';
import { check, OsError } from '../../os/errno.ts';
import { closeFd } from '../../os/fd.ts';
import { AF_INET, AF_INET6, encodeSockaddr } from '../../os/sockaddr.ts';
import {
  bindSocket,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IpOption,
  Ipv6Option,
  openSocket,
  SOCK_DGRAM,
  SOL_SOCKET,
  SocketOption,
  setOptionInt,
  UdpOption,
} from '../../os/socket.ts';

/** IP precedence of tokens and, as they share the socket, of everything (totem.md 6.1). */
const PRIORITY = 6;

export interface DatagramSocketOptions {
  readonly address: string;
  readonly port: number;
  readonly scopeId: number;
  /** Requested size of both kernel buffers (totem.md 2). */
  readonly bufferBytes: number;
  readonly reuseAddress: boolean;
  readonly broadcast: boolean;
  readonly ipDscp: number;
}

/** A bound, non-blocking UDP socket with the options that stock sets, and GRO. Throws OsError. */
export function openDatagramSocket(arena: Arena, scratchName: number, options: DatagramSocketOptions): number {
  const { address, port, scopeId, bufferBytes } = options;
  const v6 = address.includes(':');
  const fd = openSocket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
  try {
    if (v6) check(setOptionInt(fd, IPPROTO_IPV6, Ipv6Option.V6ONLY, 1), 'IPV6_V6ONLY');
    if (options.reuseAddress) check(setOptionInt(fd, SOL_SOCKET, SocketOption.REUSEADDR, 1), 'SO_REUSEADDR');
    if (options.broadcast) check(setOptionInt(fd, SOL_SOCKET, SocketOption.BROADCAST, 1), 'SO_BROADCAST');
    setBuffer(fd, SocketOption.RCVBUFFORCE, SocketOption.RCVBUF, bufferBytes);
    setBuffer(fd, SocketOption.SNDBUFFORCE, SocketOption.SNDBUF, bufferBytes);
    // All three improve matters where they are allowed; without them it works too.
    setOptionInt(fd, SOL_SOCKET, SocketOption.PRIORITY, PRIORITY);
    setOptionInt(fd, IPPROTO_UDP, UdpOption.GRO, 1);
    if (options.ipDscp > 0) setTrafficClass(fd, v6, options.ipDscp);
    const nameBytes = encodeSockaddr(arena.u8, scratchName, address, port, scopeId);
    const bound = bindSocket(fd, arena.address + scratchName, nameBytes);
    if (bound < 0) throw new OsError(-bound, `bind to ${address} port ${port}`, 'Is another daemon using it?');
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** The privileged option ignores net.core.rmem_max, the ordinary one is cut to it. */
function setBuffer(fd: number, forced: number, ordinary: number, bytes: number): void {
  if (setOptionInt(fd, SOL_SOCKET, forced, bytes) < 0) setOptionInt(fd, SOL_SOCKET, ordinary, bytes);
}

/** Upper six bits of the traffic class (corosync.conf ip_dscp, from 3.1.10). */
function setTrafficClass(fd: number, v6: boolean, dscp: number): void {
  if (v6) setOptionInt(fd, IPPROTO_IPV6, Ipv6Option.TCLASS, dscp << 2);
  else setOptionInt(fd, IPPROTO_IP, IpOption.TOS, dscp << 2);
}
