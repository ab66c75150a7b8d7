import { assert } from '../../lib/assert.ts';
import { check } from '../../os/errno.ts';
import { interfaceIndexOf } from '../../os/interfaces.ts';
import { parseIp } from '../../os/sockaddr.ts';
import { IPPROTO_IP, IPPROTO_IPV6, IpOption, Ipv6Option, setOptionBytes, setOptionInt } from '../../os/socket.ts';
import type { InterfaceAddress } from './interface-address.ts';

/** Joins the group on the interface that has the address. */
export function joinGroup(fd: number, group: string, at: InterfaceAddress): void {
  const groupBytes = parseIp(group);
  assert(groupBytes !== null, 'group address');
  if (groupBytes.length === 4) {
    const request = Uint8Array.from([...groupBytes, ...parseIp(at.address)!]); // ip_mreq
    check(setOptionBytes(fd, IPPROTO_IP, IpOption.ADD_MEMBERSHIP, request), `join ${group} on ${at.address}`);
  } else {
    const request = Uint8Array.from([...groupBytes, ...u32(interfaceIndex(at))]); // ipv6_mreq
    check(setOptionBytes(fd, IPPROTO_IPV6, Ipv6Option.ADD_MEMBERSHIP, request), `join ${group} on ${at.name}`);
  }
}

/** Outgoing multicasts: which interface, how far, and no copy back to this host (the own one is made locally). */
export function setMulticastOptions(fd: number, at: InterfaceAddress, ttl: number): void {
  if (at.address.includes(':')) {
    const index = interfaceIndex(at);
    check(setOptionInt(fd, IPPROTO_IPV6, Ipv6Option.MULTICAST_IF, index), 'IPV6_MULTICAST_IF');
    check(setOptionInt(fd, IPPROTO_IPV6, Ipv6Option.MULTICAST_LOOP, 0), 'IPV6_MULTICAST_LOOP');
    check(setOptionInt(fd, IPPROTO_IPV6, Ipv6Option.MULTICAST_HOPS, ttl), 'IPV6_MULTICAST_HOPS');
  } else {
    check(setOptionBytes(fd, IPPROTO_IP, IpOption.MULTICAST_IF, parseIp(at.address)!), 'IP_MULTICAST_IF');
    check(setOptionInt(fd, IPPROTO_IP, IpOption.MULTICAST_LOOP, 0), 'IP_MULTICAST_LOOP');
    check(setOptionInt(fd, IPPROTO_IP, IpOption.MULTICAST_TTL, ttl), 'IP_MULTICAST_TTL');
  }
}

export const interfaceIndex = ({ name, index }: InterfaceAddress): number =>
  index > 0 ? index : interfaceIndexOf(name);

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer); // native order, as the kernel wants it
}
