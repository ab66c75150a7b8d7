import { isIPv4 } from 'node:net';
import { scratch } from './arena.ts';
import { check } from './errno.ts';
import { closeFd, controlFd, OpenFlag, openFile } from './fd.ts';
import { interfaceIndexOf } from './interfaces.ts';
import { AF_INET, AF_INET6, parseIp } from './sockaddr.ts';
import { openSocket, SOCK_DGRAM } from './socket.ts';

const TUN = '/dev/net/tun';
const Request = {
  TUNSETIFF: 0x400454ca,
  SIOCGIFFLAGS: 0x8913,
  SIOCSIFFLAGS: 0x8914,
  SIOCSIFADDR: 0x8916,
  SIOCSIFBRDADDR: 0x891a,
  SIOCSIFNETMASK: 0x891c,
  SIOCSIFHWADDR: 0x8924,
} as const;
const TAP_WITHOUT_HEADER = 0x0002 | 0x1000;
const IFF_UP = 1;
const ARPHRD_ETHER = 1;
export const ETHERNET_ADDRESS_BYTES = 6;

/*
 * struct ifreq, 40 bytes:  0 name (16, with its NUL) | 16 flags u16, or a sockaddr: 16 family u16 | 18 hardware address | 20 IPv4 address
 * struct in6_ifreq:        0 address (16) | 16 prefix u32 | 20 interface index i32
 */
const REQUEST_BYTES = 40;
const NAME_BYTES = 16;
const at = scratch.allocate(REQUEST_BYTES, 8);
const request = scratch.u8.subarray(at, at + REQUEST_BYTES);
const view = new DataView(request.buffer, request.byteOffset, request.byteLength);

function begin(name: string): void {
  request.fill(0);
  request.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES - 1));
}

const ask = (fd: number, number: number, what: string): number =>
  check(controlFd(fd, number, scratch.address + at), what);

/** A new virtual Ethernet device; it lasts as long as somebody has a descriptor of it. Needs CAP_NET_ADMIN. */
export function openTap(name: string): number {
  const fd = check(openFile(TUN, OpenFlag.RDWR | OpenFlag.NONBLOCK), `opening ${TUN}`);
  try {
    begin(name);
    view.setUint16(NAME_BYTES, TAP_WITHOUT_HEADER, true);
    ask(fd, Request.TUNSETIFF, `making ${name}`);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function withSocket(family: number, act: (fd: number) => void): void {
  const fd = openSocket(family, SOCK_DGRAM);
  try {
    act(fd);
  } finally {
    closeFd(fd);
  }
}

export function setHardwareAddress(name: string, address: Uint8Array): void {
  withSocket(AF_INET, (fd) => {
    begin(name);
    view.setUint16(NAME_BYTES, ARPHRD_ETHER, true);
    request.set(address.subarray(0, ETHERNET_ADDRESS_BYTES), NAME_BYTES + 2);
    ask(fd, Request.SIOCSIFHWADDR, `hardware address of ${name}`);
  });
}

/** Gives an interface its address; for IPv4 with the network's broadcast address. */
export function setAddress(name: string, address: string, prefix: number): void {
  if (isIPv4(address)) setIpv4(name, address, prefix);
  else setIpv6(name, address, prefix);
}

function setIpv4(name: string, address: string, prefix: number): void {
  const bytes = new DataView(new ArrayBuffer(4));
  parseIp(address)?.forEach((byte, i) => {
    bytes.setUint8(i, byte);
  });
  const own = bytes.getUint32(0);
  const mask = (0xffff_ffff << (32 - prefix)) >>> 0;
  withSocket(AF_INET, (fd) => {
    for (const [number, value] of [
      [Request.SIOCSIFADDR, own],
      [Request.SIOCSIFNETMASK, mask],
      [Request.SIOCSIFBRDADDR, (own | ~mask) >>> 0],
    ] as const) {
      begin(name);
      view.setUint16(NAME_BYTES, AF_INET, true);
      view.setUint32(NAME_BYTES + 4, value);
      ask(fd, number, `address of ${name}`);
    }
  });
}

function setIpv6(name: string, address: string, prefix: number): void {
  withSocket(AF_INET6, (fd) => {
    request.fill(0);
    request.set(parseIp(address) ?? []);
    view.setUint32(16, prefix, true);
    view.setInt32(20, interfaceIndexOf(name), true);
    ask(fd, Request.SIOCSIFADDR, `address of ${name}`);
  });
}

export function setInterfaceUp(name: string, up: boolean): void {
  withSocket(AF_INET, (fd) => {
    begin(name);
    ask(fd, Request.SIOCGIFFLAGS, `flags of ${name}`);
    const flags = view.getUint16(NAME_BYTES, true);
    view.setUint16(NAME_BYTES, up ? flags | IFF_UP : flags & ~IFF_UP, true);
    ask(fd, Request.SIOCSIFFLAGS, `flags of ${name}`);
  });
}
