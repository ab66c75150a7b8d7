import { networkInterfaces } from 'node:os';
import { parseIp } from '../../os/sockaddr.ts';

export interface InterfaceAddress {
  readonly name: string;
  /** Numeric text. */
  readonly address: string;
  /** Index of the interface; the scope of link-local IPv6 addresses. 0 when unknown. */
  readonly index: number;
}

const LOOPBACK_NET = 127;

/** Addresses of this host, `node:os` or a test. */
export type ListInterfaces = typeof networkInterfaces;

/**
 * The host's address for a configured one (totem.md 6.4): the same one if it is there, else the first in its subnet, else `null`:
 * the interface is down. Only interfaces that are up are listed.
 */
export function findInterface(wanted: string, list: ListInterfaces = networkInterfaces): InterfaceAddress | null {
  const target = parseIp(wanted);
  if (target === null) return null;
  let sameSubnet: InterfaceAddress | null = null;
  for (const [name, addresses] of Object.entries(list())) {
    for (const { address, netmask, scopeid, internal } of addresses ?? []) {
      const bytes = parseIp(address);
      if (bytes === null || bytes.length !== target.length) continue;
      const found = { name, address, index: scopeid ?? 0 };
      if (bytes.every((byte, i) => byte === target[i])) return found;
      const mask = parseIp(netmask);
      if (mask === null || sameSubnet !== null) continue;
      if (!bytes.every((byte, i) => (byte & mask[i]!) === (target[i]! & mask[i]!))) continue;
      // All of 127.0.0.0/8 is this host's, whatever is listed: several daemons on one host use 127.0.0.1, 127.0.0.2, …
      sameSubnet = internal && bytes[0] === LOOPBACK_NET ? { ...found, address: wanted } : found;
    }
  }
  return sameSubnet;
}
