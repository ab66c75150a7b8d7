import type { Arena } from '../../os/arena.ts';
import { check } from '../../os/errno.ts';
import { IPPROTO_IP, IPPROTO_IPV6, IpOption, Ipv6Option, setOptionInt } from '../../os/socket.ts';
import { setTrafficClass } from '../udp-socket.ts';
import { KERNEL_WIRE, type Wire } from '../wire.ts';

const BUFFER_BYTES = 8 << 20;
/** IPTOS_LOWDELAY, as stock sets it for IPv4 without ip_dscp (knet.md 3.4). */
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

/** A link's socket with stock's options. Throws OsError. */
export function openKnetSocket(
  arena: Arena,
  scratchName: number,
  linkId: number,
  address: string,
  port: number,
  ipDscp: number,
  wire: Wire = KERNEL_WIRE,
): KnetSocket {
  const scopeId = /^fe[89ab]/i.test(address) ? (wire.find(address)?.index ?? 0) : 0;
  const fd = wire.open(arena, scratchName, {
    address,
    port,
    scopeId,
    bufferBytes: BUFFER_BYTES,
    configure: (fd, v6) => configure(fd, v6, ipDscp),
  });
  return { linkId, address, port, fd, scopeId };
}

function configure(fd: number, v6: boolean, ipDscp: number): void {
  const level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  const names = v6 ? Ipv6Option : IpOption;
  check(setOptionInt(fd, level, names.MTU_DISCOVER, PMTUDISC_PROBE), 'MTU_DISCOVER');
  check(setOptionInt(fd, level, names.RECVERR, 1), 'RECVERR');
  setOptionInt(fd, level, names.FREEBIND, 1); // works without, too, where the address is there
  if (ipDscp > 0) setTrafficClass(fd, v6, ipDscp << 2);
  else if (!v6) setTrafficClass(fd, v6, TOS_DEFAULT);
}
