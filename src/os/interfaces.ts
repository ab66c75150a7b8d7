import { scratch } from './arena.ts';
import { check } from './errno.ts';
import { bind, orErrno } from './libc.ts';
import { AF_INET, AF_INET6, formatIp } from './sockaddr.ts';

const getifaddrs = bind<(list: number) => number>('getifaddrs', 'int', ['uintptr_t']);
const freeifaddrs = bind<(list: number) => number>('freeifaddrs', 'void', ['uintptr_t']);
const memcpy = bind<(to: number, from: number, bytes: number) => number>('memcpy', 'uintptr_t', [
  'uintptr_t',
  'uintptr_t',
  'size_t',
]);

const nameToIndex = bind<(name: string) => number>('if_nametoindex', 'uint32_t', ['str']);

/**
 * Number of an interface in the network namespace of this process (/sys may show another one's); 0: there is none of that name. An alias has that of its
 * interface.
 */
export const interfaceIndexOf = (name: string): number => nameToIndex(name.replace(/:.*$/, ''));

/** One address of this host, whatever the state of its interface. */
export interface HostAddress {
  /** Of the interface, with the label of an alias. */
  readonly name: string;
  /** Numeric text. */
  readonly address: string;
  readonly bytes: Uint8Array;
  /** As long as `bytes`; `null` where there is none. */
  readonly netmask: Uint8Array | null;
  /** Index of the interface for link-local IPv6 addresses; otherwise 0. */
  readonly scopeId: number;
  /** Switched on, with a cable or without. */
  readonly up: boolean;
  readonly loopback: boolean;
}

/*
 * struct ifaddrs, 64 bits:  0 next | 8 name | 16 flags u32 | 24 address | 32 netmask | 40 …
 */
const ENTRY_BYTES = 40;
const NAME_BYTES = 16;
const SOCKADDR_BYTES = 28;
const IFF_UP = 1;
const IFF_LOOPBACK = 8;
const POINTER_BYTES = 8;

const at = scratch.allocate(POINTER_BYTES + ENTRY_BYTES + SOCKADDR_BYTES, 8);
const entryAt = at + POINTER_BYTES;
const copyAt = entryAt + ENTRY_BYTES;

/**
 * All addresses of this host in the system's order, those of interfaces that are down included: node:os leaves them out,
 * and a cluster may start before its network.
 */
export function hostAddresses(): HostAddress[] {
  check(orErrno(getifaddrs(scratch.address + at)), 'getifaddrs');
  const first = pointer(at);
  try {
    const found: HostAddress[] = [];
    for (let entry = first; entry !== 0; entry = pointer(entryAt)) {
      memcpy(scratch.address + entryAt, entry, ENTRY_BYTES);
      const address = readAddress(pointer(entryAt + 24));
      if (address === null) continue;
      const flags = scratch.data.getUint32(entryAt + 16, true);
      const netmask = readAddress(pointer(entryAt + 32));
      found.push({
        ...address,
        name: readName(pointer(entryAt + 8)),
        address: formatIp(address.bytes),
        netmask: netmask?.bytes.length === address.bytes.length ? netmask.bytes : null,
        up: (flags & IFF_UP) !== 0,
        loopback: (flags & IFF_LOOPBACK) !== 0,
      });
    }
    return found;
  } finally {
    freeifaddrs(first);
  }
}

/** User space ends at 2^47: a pointer is an exact number. */
const pointer = (offset: number): number =>
  scratch.data.getUint32(offset, true) + scratch.data.getUint32(offset + 4, true) * 2 ** 32;

function readName(from: number): string {
  memcpy(scratch.address + copyAt, from, NAME_BYTES);
  const bytes = scratch.u8.subarray(copyAt, copyAt + NAME_BYTES);
  const nul = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, nul < 0 ? NAME_BYTES : nul));
}

/** Address and scope of a sockaddr; `null` for another family, and for none. */
function readAddress(from: number): { readonly bytes: Uint8Array; readonly scopeId: number } | null {
  if (from === 0) return null;
  memcpy(scratch.address + copyAt, from, 2);
  const family = scratch.data.getUint16(copyAt, true);
  if (family === AF_INET) {
    memcpy(scratch.address + copyAt, from, 16);
    return { bytes: scratch.u8.slice(copyAt + 4, copyAt + 8), scopeId: 0 };
  }
  if (family !== AF_INET6) return null;
  memcpy(scratch.address + copyAt, from, SOCKADDR_BYTES);
  return { bytes: scratch.u8.slice(copyAt + 8, copyAt + 24), scopeId: scratch.data.getUint32(copyAt + 24, true) };
}
