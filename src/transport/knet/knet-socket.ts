import type { Arena } from '../../os/arena.ts';
import { check, OsError } from '../../os/errno.ts';
import { closeFd } from '../../os/fd.ts';
import { AF_INET, AF_INET6, encodeSockaddr, SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
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
import { findInterface } from '../datagram/interface-address.ts';

const BUFFER_BYTES = 8 << 20;
const PRIORITY = 6;
/** IPTOS_LOWDELAY, as stock sets it without ip_dscp (knet.md 3.4). */
const TOS_DEFAULT = 0x10;
/** Forbids fragmentation and does not let learned path MTUs stand in the way of probes. */
const PMTUDISC_PROBE = 3;

/** The local end of one link: an address and a port, shared by all hosts (knet.md 3.4). */
export interface KnetSocket {
  readonly linkId: number;
  readonly address: string;
  readonly port: number;
  readonly fd: number;
  /** Interface index of a link-local IPv6 address, for both ends; otherwise 0. */
  readonly scopeId: number;
}

/** A bound, non-blocking UDP socket with stock's options. Throws OsError. */
export function openKnetSocket(
  arena: Arena,
  scratchName: number,
  linkId: number,
  address: string,
  port: number,
  ipDscp: number,
): KnetSocket {
  const v6 = address.includes(':');
  const fd = openSocket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
  const level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  const names = v6 ? Ipv6Option : IpOption;
  try {
    if (v6) check(setOptionInt(fd, level, Ipv6Option.V6ONLY, 1), 'IPV6_V6ONLY');
    setBuffer(fd, SocketOption.RCVBUFFORCE, SocketOption.RCVBUF);
    setBuffer(fd, SocketOption.SNDBUFFORCE, SocketOption.SNDBUF);
    check(setOptionInt(fd, level, names.MTU_DISCOVER, PMTUDISC_PROBE), 'MTU_DISCOVER');
    check(setOptionInt(fd, level, names.RECVERR, 1), 'RECVERR');
    // The rest improves matters where it is allowed; without it everything works too.
    setOptionInt(fd, level, names.FREEBIND, 1);
    setOptionInt(fd, SOL_SOCKET, SocketOption.PRIORITY, PRIORITY);
    setOptionInt(fd, IPPROTO_UDP, UdpOption.GRO, 1);
    if (!v6) setOptionInt(fd, level, IpOption.TOS, ipDscp > 0 ? ipDscp << 2 : TOS_DEFAULT);
    else if (ipDscp > 0) setOptionInt(fd, level, Ipv6Option.TCLASS, ipDscp << 2);
    const scopeId = /^fe[89ab]/i.test(address) ? (findInterface(address)?.index ?? 0) : 0;
    const nameBytes = encodeSockaddr(arena.u8, scratchName, address, port, scopeId);
    const bound = bindSocket(fd, arena.address + scratchName, nameBytes);
    if (bound < 0) throw new OsError(-bound, `bind to ${address} port ${port}`, 'Is another daemon using it?');
    return { linkId, address, port, fd, scopeId };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

export const SCRATCH_NAME_BYTES = SOCKADDR_BYTES_MAX;

/** The privileged option ignores net.core.rmem_max, the ordinary one is cut to it. */
function setBuffer(fd: number, forced: number, ordinary: number): void {
  if (setOptionInt(fd, SOL_SOCKET, forced, BUFFER_BYTES) < 0) setOptionInt(fd, SOL_SOCKET, ordinary, BUFFER_BYTES);
}
