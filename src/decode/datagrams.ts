import type { CapturedPacket } from './captured-packet.ts';
import { FragmentTable } from './ip-fragments.ts';

/** A UDP datagram of a capture. */
export interface Datagram {
  readonly index: number;
  readonly timeMs: number;
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
  /** What the capture has of it. */
  readonly payload: Uint8Array;
  /** How many bytes at its end the capture has cut off. */
  readonly missingBytes: number;
}

/** Link types that the IP packet is looked for in. */
const Link = {
  NULL: 0,
  ETHERNET: 1,
  RAW_BSD: 12,
  RAW_OPENBSD: 14,
  RAW: 101,
  LOOP: 108,
  LINUX_SLL: 113,
  IPV4: 228,
  IPV6: 229,
  LINUX_SLL2: 276,
} as const;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const VLAN_TYPES: readonly number[] = [0x8100, 0x88a8, 0x9100];
const VLANS_MAX = 3;
const PROTOCOL_UDP = 17;
const IPV6_FRAGMENT = 44;
/** Hop by hop, routing, destination: headers that say their own length. */
const IPV6_EXTENSIONS: readonly number[] = [0, 43, 60];
const IPV6_EXTENSIONS_MAX = 8;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const UDP_HEADER_BYTES = 8;

/** What was not UDP, by reason. */
export interface DatagramCounts {
  notUdp: number;
  unknownLink: number;
  /** Pieces of IP packets of which other pieces never came. */
  lostFragments: number;
}

/** From packets of a link to UDP datagrams: IPv4 and IPv6, fragments put together. */
export class Datagrams {
  readonly counts: DatagramCounts = { notUdp: 0, unknownLink: 0, lostFragments: 0 };
  private readonly fragments = new FragmentTable();

  /** `null`: no UDP, or a fragment of a datagram that is not complete. */
  read(packet: CapturedPacket): Datagram | null {
    const at = networkOffset(packet);
    if (at < 0) {
      this.counts.unknownLink++;
      return null;
    }
    const { bytes } = packet;
    const version = at < bytes.length ? bytes[at]! >>> 4 : 0;
    const missing = Math.max(0, packet.wireBytes - bytes.length);
    const datagram =
      version === 4 ? this.ipv4(packet, at, missing) : version === 6 ? this.ipv6(packet, at, missing) : undefined;
    this.counts.lostFragments = this.fragments.lost;
    if (datagram === undefined) {
      this.counts.notUdp++;
      return null;
    }
    return datagram;
  }

  private ipv4(packet: CapturedPacket, at: number, missing: number): Datagram | null | undefined {
    const { bytes } = packet;
    if (bytes.length < at + IPV4_HEADER_BYTES || bytes[at + 9] !== PROTOCOL_UDP) return undefined;
    const headerBytes = (bytes[at]! & 15) * 4;
    if (headerBytes < IPV4_HEADER_BYTES || bytes.length < at + headerBytes) return undefined;
    // A total length of 0 is what segmentation by the network card leaves in a capture.
    const total = u16(bytes, at + 2) || bytes.length + missing - at;
    const addresses = { from: ipv4Text(bytes, at + 12), to: ipv4Text(bytes, at + 16) };
    const body = bytes.subarray(at + headerBytes, Math.min(bytes.length, at + total));
    const bodyBytes = Math.max(0, total - headerBytes);
    const flags = u16(bytes, at + 6);
    const offset = (flags & 0x1fff) * 8;
    const more = (flags & 0x2000) !== 0;
    if (offset === 0 && !more) return udp(packet, addresses, body, bodyBytes);
    const key = `${addresses.from}>${addresses.to}#${u16(bytes, at + 4)}`;
    return this.fragment(packet, addresses, key, offset, more, body, bodyBytes);
  }

  private ipv6(packet: CapturedPacket, at: number, missing: number): Datagram | null | undefined {
    const { bytes } = packet;
    if (bytes.length < at + IPV6_HEADER_BYTES) return undefined;
    const end = at + IPV6_HEADER_BYTES + (u16(bytes, at + 4) || bytes.length + missing - at - IPV6_HEADER_BYTES);
    const addresses = { from: ipv6Text(bytes, at + 8), to: ipv6Text(bytes, at + 24) };
    let next = bytes[at + 6]!;
    let head = at + IPV6_HEADER_BYTES;
    for (let i = 0; i < IPV6_EXTENSIONS_MAX && IPV6_EXTENSIONS.includes(next); i++) {
      if (bytes.length < head + 8) return undefined;
      next = bytes[head]!;
      head += 8 * (bytes[head + 1]! + 1);
    }
    if (next === IPV6_FRAGMENT) {
      if (bytes.length < head + 8 || bytes[head] !== PROTOCOL_UDP) return undefined;
      const flags = u16(bytes, head + 2);
      const key = `${addresses.from}>${addresses.to}#${u16(bytes, head + 4)}.${u16(bytes, head + 6)}`;
      const body = bytes.subarray(head + 8, Math.min(bytes.length, end));
      return this.fragment(packet, addresses, key, flags & 0xfff8, (flags & 1) !== 0, body, end - head - 8);
    }
    if (next !== PROTOCOL_UDP) return undefined;
    return udp(packet, addresses, bytes.subarray(head, Math.min(bytes.length, end)), end - head);
  }

  private fragment(
    packet: CapturedPacket,
    addresses: Addresses,
    key: string,
    offset: number,
    more: boolean,
    body: Uint8Array,
    bodyBytes: number,
  ): Datagram | null {
    const whole = this.fragments.add(key, packet.timeMs, offset, more, body, bodyBytes);
    return whole === null ? null : (udp(packet, addresses, whole.bytes, whole.length) ?? null);
  }
}

interface Addresses {
  readonly from: string;
  readonly to: string;
}

function udp(
  { index, timeMs }: CapturedPacket,
  addresses: Addresses,
  body: Uint8Array,
  bodyBytes: number,
): Datagram | undefined {
  if (body.length < UDP_HEADER_BYTES) return undefined;
  // A length of 0 means: up to the end of a jumbogram.
  const length = (u16(body, 4) || bodyBytes) - UDP_HEADER_BYTES;
  if (length < 0) return undefined;
  const payload = body.subarray(UDP_HEADER_BYTES, Math.min(body.length, UDP_HEADER_BYTES + length));
  return {
    index,
    timeMs,
    ...addresses,
    fromPort: u16(body, 0),
    toPort: u16(body, 2),
    payload,
    missingBytes: length - payload.length,
  };
}

/** Where the IP packet begins; negative: not known, or no IP. */
function networkOffset({ link, bytes }: CapturedPacket): number {
  switch (link) {
    case Link.ETHERNET:
      return behindType(bytes, 12);
    case Link.LINUX_SLL:
      return behindType(bytes, 14);
    case Link.LINUX_SLL2:
      return bytes.length >= 20 && isIp(u16(bytes, 0)) ? 20 : -1;
    case Link.NULL:
    case Link.LOOP:
      return 4;
    case Link.RAW:
    case Link.RAW_BSD:
    case Link.RAW_OPENBSD:
    case Link.IPV4:
    case Link.IPV6:
      return 0;
    default:
      return -1;
  }
}

const isIp = (type: number): boolean => type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6;

function behindType(bytes: Uint8Array, typeAt: number): number {
  let at = typeAt;
  for (let tags = 0; tags <= VLANS_MAX && bytes.length >= at + 2; tags++) {
    const type = u16(bytes, at);
    if (isIp(type)) return at + 2;
    if (!VLAN_TYPES.includes(type)) return -1;
    at += 4;
  }
  return -1;
}

const u16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
const ipv4Text = (bytes: Uint8Array, at: number): string => bytes.subarray(at, at + 4).join('.');

/** Groups in hexadecimal, the first longest run of zeroes as `::`. */
function ipv6Text(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => u16(bytes, at + 2 * i).toString(16));
  const runs = groups.map((_, i) => {
    let length = 0;
    while (groups[i + length] === '0') length++;
    return length;
  });
  const longest = Math.max(...runs);
  if (longest < 2) return groups.join(':');
  const start = runs.indexOf(longest);
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + longest).join(':')}`;
}
