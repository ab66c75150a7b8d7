import { isIP } from 'node:net';
import type { Icmap } from '../icmap/index.ts';
import type { TotemContext } from './context.ts';
import { readText } from './settings.ts';

/** Families to look for, best first (config-and-tools.md 1.5.1, `ip_version`). */
export function familyPreference(map: Icmap, transport: string): readonly (4 | 6)[] {
  switch (readText(map, 'totem', 'ip_version', { transport })) {
    case 'ipv4':
      return [4];
    case 'ipv6':
      return [6];
    case 'ipv4-6':
      return [4, 6];
    default:
      return [6, 4];
  }
}

/** A numeric address from an address or a name; `null` when there is none in the wanted families. */
export async function resolveAddress(
  context: TotemContext,
  text: string,
  families: readonly (4 | 6)[],
): Promise<string | null> {
  const literal = isIP(text);
  if (literal !== 0) return families.includes(literal as 4 | 6) ? text : null;
  const found = await Promise.all(families.map((family) => context.lookup(text, family)));
  return found.find((addresses) => addresses.length > 0)?.[0] ?? null;
}

/** 4 for IPv4, 6 for IPv6. */
export const familyOf = (address: string): 4 | 6 => (isIP(address) === 6 ? 6 : 4);

/** An IPv4 address as a number, most significant byte first. */
export function ipv4Number(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

/** Both spellings of an IPv6 address are one: for comparing. */
export function canonicalAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const [bare = ''] = address.split('%');
  return new URL(`http://[${bare}]/`).hostname;
}

export function isMulticast(address: string): boolean {
  if (isIP(address) === 6) return /^ff/i.test(address);
  const first = Number(address.split('.')[0]);
  return first >= 224 && first <= 239;
}

/** 16 bits of the cluster's name, from which multicast addresses are made (config-and-tools.md 1.6). */
export function clusterHash(name: string): number {
  let hash = 0;
  for (const byte of new TextEncoder().encode(name)) hash = ((hash << 1) + ((byte << 24) >> 24)) | 0;
  return hash & 0xffff;
}

/** The multicast address that udp makes from the cluster's name and the link. */
export function generatedMulticast(clusterName: string, linkId: number, family: 4 | 6): string {
  const hash = (clusterHash(clusterName) + linkId) & 0xffff;
  return family === 4 ? `239.192.${hash >> 8}.${hash % 255}` : `ff15::${hash.toString(16)}`;
}
