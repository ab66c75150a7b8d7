import { isIPv4, isIPv6 } from 'node:net';
import { endianness } from 'node:os';
import { assert } from '../lib/assert.ts';

/**
 * Socket addresses in memory.
 *
 *   sockaddr_in    0 family u16 | 2 port u16 BE | 4 address 4                                    16 bytes
 *   sockaddr_in6   0 family u16 | 2 port u16 BE | 4 flow u32 | 8 address 16 | 24 scope u32       28 bytes
 *   sockaddr_un    0 family u16 | 2 path 108                                                    110 bytes
 */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;
export const SOCKADDR_UN_BYTES = 110;
export const SUN_PATH_BYTES = 108;
/** Room for any address that this project uses. */
export const SOCKADDR_BYTES_MAX = 128;

const LITTLE = endianness() === 'LE';

/** The 4 or 16 bytes of an address in text form, or null; no name resolution. */
export function parseIp(text: string): Uint8Array | null {
  const address = text.replace(/%.*$/, '');
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number);
  if (!isIPv6(address)) return null;
  let head = address;
  let tail4: number[] = [];
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  if (dotted !== null) {
    tail4 = dotted[2]!.split('.').map(Number);
    head = `${dotted[1]!}${((tail4[0]! << 8) | tail4[1]!).toString(16)}:${((tail4[2]! << 8) | tail4[3]!).toString(16)}`;
  }
  const [left, right] = head.split('::') as [string, string | undefined];
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groups(left);
  const after = right === undefined ? [] : groups(right);
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}

/** Text form of 4 or 16 address bytes, as inet_ntop writes it. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  assert(bytes.length === 16, 'an address has 4 or 16 bytes');
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff)
    return `::ffff:${bytes.subarray(12).join('.')}`;
  let start = -1;
  let length = 1; // a single zero group is not shortened
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > length) {
      start = i;
      length = run;
    }
    if (run > 0) i += run;
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return start < 0 ? text(0, 8) : `${text(0, start)}::${text(start + length, 8)}`;
}

/** Writes an IPv4 or IPv6 address; returns its length. `scopeId` is an interface index, for link-local addresses. */
export function encodeSockaddr(
  bytes: Uint8Array,
  offset: number,
  ip: string | Uint8Array,
  port: number,
  scopeId = 0,
): number {
  const address = typeof ip === 'string' ? parseIp(ip) : ip;
  assert(address !== null, `not an IP address: ${String(ip)}`);
  const v6 = address.length === 16;
  const length = v6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES;
  bytes.fill(0, offset, offset + length);
  const family = v6 ? AF_INET6 : AF_INET;
  bytes[offset] = LITTLE ? family : 0;
  bytes[offset + 1] = LITTLE ? 0 : family;
  bytes[offset + 2] = port >> 8;
  bytes[offset + 3] = port & 255;
  bytes.set(address, offset + (v6 ? 8 : 4));
  if (v6) new DataView(bytes.buffer, bytes.byteOffset).setUint32(offset + 24, scopeId, LITTLE);
  return length;
}

export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** Reads what `encodeSockaddr` wrote or the kernel filled in; null for another family. */
export function decodeSockaddr(bytes: Uint8Array, offset: number): SocketAddress | null {
  const family = LITTLE ? bytes[offset]! : bytes[offset + 1]!;
  const port = (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
  if (family === AF_INET) return { ip: formatIp(bytes.slice(offset + 4, offset + 8)), port };
  if (family === AF_INET6) return { ip: formatIp(bytes.slice(offset + 8, offset + 24)), port };
  return null;
}

/** An abstract unix name, NUL-padded to the whole structure as libqb wants it (libqb-ipc.md 1.1). */
export function encodeAbstractName(bytes: Uint8Array, offset: number, name: string): number {
  const text = Buffer.from(name, 'utf8');
  assert(text.length > 0 && text.length < SUN_PATH_BYTES - 1, 'length of an abstract socket name');
  bytes.fill(0, offset, offset + SOCKADDR_UN_BYTES);
  bytes[offset + (LITTLE ? 0 : 1)] = AF_UNIX;
  bytes.set(text, offset + 3);
  return SOCKADDR_UN_BYTES;
}

/** A unix path; the length is 2 + text, as libqb passes it. */
export function encodeUnixPath(bytes: Uint8Array, offset: number, path: string): number {
  const text = Buffer.from(path, 'utf8');
  assert(text.length > 0 && text.length < SUN_PATH_BYTES, 'length of a socket path');
  bytes.fill(0, offset, offset + SOCKADDR_UN_BYTES);
  bytes[offset + (LITTLE ? 0 : 1)] = AF_UNIX;
  bytes.set(text, offset + 2);
  return 2 + text.length;
}
