import { type HostAddress, hostAddresses } from '../../os/interfaces.ts';
import { parseIp } from '../../os/sockaddr.ts';

export interface InterfaceAddress {
  readonly name: string;
  /** Numeric text. */
  readonly address: string;
  /** Index of the interface; the scope of link-local IPv6 addresses. 0 when unknown. */
  readonly index: number;
}

const LOOPBACK_NET = 127;

/**
 * The host's address for a configured one (totem.md 6.4): the same one if it is there, else the first in its subnet, else `null`.
 * Also `null` while its interface is down.
 */
export function findInterface(
  wanted: string,
  list: () => readonly HostAddress[] = hostAddresses,
): InterfaceAddress | null {
  const target = parseIp(wanted);
  if (target === null) return null;
  let sameSubnet: InterfaceAddress | null = null;
  for (const { name, address, bytes, netmask, scopeId, up, loopback } of list()) {
    if (bytes.length !== target.length) continue;
    const found = { name, address, index: scopeId };
    if (bytes.every((byte, i) => byte === target[i])) return up ? found : null;
    if (!up || netmask === null || sameSubnet !== null) continue;
    if (!bytes.every((byte, i) => (byte & netmask[i]!) === (target[i]! & netmask[i]!))) continue;
    // All of 127.0.0.0/8 is this host's, whatever is listed: several daemons on one host use 127.0.0.1, 127.0.0.2, …
    sameSubnet = loopback && bytes[0] === LOOPBACK_NET ? { ...found, address: wanted } : found;
  }
  return sameSubnet;
}
