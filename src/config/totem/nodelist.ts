import { isIP } from 'node:net';
import type { Icmap } from '../icmap/index.ts';
import { canonicalAddress, familyPreference, resolveAddress } from './addresses.ts';
import type { TotemContext } from './context.ts';

/** One `node` block of the node list as it stands in the map. */
export interface NodeEntry {
  /** Position in the list, the index in its keys. */
  readonly index: number;
  readonly name: string | null;
  readonly nodeId: number;
  /** Unresolved texts by link number. */
  readonly addresses: ReadonlyMap<number, string>;
  /** Whether `ring0_addr` is all that the list says of the node. */
  readonly isBareAddress: boolean;
  /** Keys of the addresses by link number. */
  readonly addressKeys: ReadonlyMap<number, string>;
}

export function readNodelist(map: Icmap): NodeEntry[] {
  const entries = new Map<number, { keys: number; addresses: Map<number, string>; addressKeys: Map<number, string> }>();
  for (const { key } of map.entries('nodelist.node.')) {
    const match = /^nodelist\.node\.(\d+)\.(.+)$/.exec(key);
    if (match === null) continue;
    const index = Number(match[1]);
    let entry = entries.get(index);
    if (entry === undefined) {
      entry = { keys: 0, addresses: new Map(), addressKeys: new Map() };
      entries.set(index, entry);
    }
    entry.keys++;
    const link = /^ring(\d+)_addr$/.exec(match[2]!);
    const text = link === null ? null : map.getString(key);
    if (text === null) continue;
    entry.addresses.set(Number(link![1]), text);
    entry.addressKeys.set(Number(link![1]), key);
  }
  return [...entries]
    .sort(([a], [b]) => a - b)
    .map(([index, { keys, addresses, addressKeys }]) => ({
      index,
      name: map.getString(`nodelist.node.${index}.name`),
      nodeId: map.getU32(`nodelist.node.${index}.nodeid`) ?? 0,
      addresses,
      isBareAddress: keys === 1 && addresses.has(0),
      addressKeys,
    }));
}

/** Names by which a node may be this machine: `name` and the address of link 0. */
const namesOf = (node: NodeEntry): string[] =>
  [node.name, node.addresses.get(0)].filter((name): name is string => name !== null && name !== undefined);

/** A host name and its beginnings, longest first: `a.b.c`, `a.b`, `a`. */
function shortenings(name: string): string[] {
  const labels = name.split('.');
  return labels.map((_, index) => labels.slice(0, labels.length - index).join('.'));
}

/**
 * Which node of the list this machine is (config-and-tools.md 1.7). Steps that need no name server come first, so that
 * a list of numeric addresses never waits for one; the result is stock's unless names contradict addresses.
 */
export async function findLocalNode(
  context: TotemContext,
  nodes: readonly NodeEntry[],
  transport: string,
): Promise<NodeEntry | null> {
  const hostname = context.environment.hostname();
  const byName = (name: string): NodeEntry | undefined => nodes.find((node) => namesOf(node).includes(name));
  for (const name of shortenings(hostname)) {
    const node = byName(name);
    if (node !== undefined) return node;
  }
  const [short] = hostname.split('.');
  const byShortName = nodes.find((node) => namesOf(node).some((name) => name.split('.')[0] === short));
  if (byShortName !== undefined) return byShortName;

  // The first interface wins for IPv4, the first node for IPv6: two nodes of a list may be addresses of this machine.
  const addresses = context.environment.localAddresses();
  const local = new Set(addresses.map(canonicalAddress));
  const byAddress =
    addresses
      .filter((address) => isIP(address) === 4)
      .map(byName)
      .find((node) => node !== undefined) ??
    nodes.find((node) => namesOf(node).some((name) => local.has(canonicalAddress(name))));
  if (byAddress !== undefined || nodes.length === 0) return byAddress ?? null;
  // Both wait for name servers: at the same time.
  const [reverse, resolved] = await Promise.all([
    byReverseName(context, addresses, byName),
    byResolvedAddress(context, nodes, local, transport),
  ]);
  return reverse ?? resolved;
}

async function byReverseName(
  context: TotemContext,
  addresses: readonly string[],
  byName: (name: string) => NodeEntry | undefined,
): Promise<NodeEntry | undefined> {
  const names = await Promise.all(addresses.map((address) => context.environment.reverse(address)));
  for (const name of names) {
    for (const candidate of name === null ? [] : shortenings(name)) {
      const node = byName(candidate);
      if (node !== undefined) return node;
    }
  }
  return undefined;
}

async function byResolvedAddress(
  context: TotemContext,
  nodes: readonly NodeEntry[],
  local: ReadonlySet<string>,
  transport: string,
): Promise<NodeEntry | null> {
  const families = familyPreference(context.map, transport);
  const found = await Promise.all(
    nodes.map(async (node) => {
      const resolved = await Promise.all(namesOf(node).map((name) => resolveAddress(context, name, families)));
      return resolved.some((address) => address !== null && local.has(canonicalAddress(address)));
    }),
  );
  return nodes[found.indexOf(true)] ?? null;
}
