import type { Arena } from '../os/arena.ts';
import { check, OsError } from '../os/errno.ts';
import { closeFd } from '../os/fd.ts';
import { AF_INET, AF_INET6, encodeSockaddr } from '../os/sockaddr.ts';
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
} from '../os/socket.ts';

/** IP precedence of tokens and, as they share the socket, of everything (totem.md 6.1). */
const PRIORITY = 6;

export interface UdpSocketOptions {
  readonly address: string;
  readonly port: number;
  /** Interface index of a link-local IPv6 address; otherwise 0. */
  readonly scopeId: number;
  /** Requested size of both kernel buffers. */
  readonly bufferBytes: number;
  /** Sets what the transport wants on top, before the socket is bound. */
  configure(fd: number, v6: boolean): void;
}

/** A bound, non-blocking UDP socket with the options that stock sets for every transport, and GRO. Throws OsError. */
export function openUdpSocket(arena: Arena, scratchName: number, options: UdpSocketOptions): number {
  const { address, port, scopeId, bufferBytes } = options;
  const v6 = address.includes(':');
  const fd = openSocket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
  try {
    if (v6) check(setOptionInt(fd, IPPROTO_IPV6, Ipv6Option.V6ONLY, 1), 'IPV6_V6ONLY');
    setBuffer(fd, SocketOption.RCVBUFFORCE, SocketOption.RCVBUF, bufferBytes);
    setBuffer(fd, SocketOption.SNDBUFFORCE, SocketOption.SNDBUF, bufferBytes);
    // These two improve matters where they are allowed; without them it works too.
    setOptionInt(fd, SOL_SOCKET, SocketOption.PRIORITY, PRIORITY);
    setOptionInt(fd, IPPROTO_UDP, UdpOption.GRO, 1);
    options.configure(fd, v6);
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

/** The upper six bits are the DSCP (corosync.conf ip_dscp, from 3.1.10). It works without, too. */
export function setTrafficClass(fd: number, v6: boolean, trafficClass: number): void {
  if (v6) setOptionInt(fd, IPPROTO_IPV6, Ipv6Option.TCLASS, trafficClass);
  else setOptionInt(fd, IPPROTO_IP, IpOption.TOS, trafficClass);
}
