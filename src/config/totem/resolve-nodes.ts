import { LINKS_MAX } from '../options/knet.ts';
import type { TransportName } from '../totem-config.ts';
import { familyOf, familyPreference, ipv4Number, resolveAddress } from './addresses.ts';
import type { TotemContext } from './context.ts';
import { UNRESOLVED_HINT } from './links.ts';
import type { NodeEntry } from './nodelist.ts';

const KNET_NODE_ID_MAX = 65_535;

/** A name of the node list that has no address (yet). */
export interface UnresolvedAddress {
  readonly nodeIndex: number;
  readonly nodeId: number;
  readonly linkId: number;
  readonly text: string;
  /** Families to look for, best first. */
  readonly families: readonly (4 | 6)[];
}

export interface TotemReadOptions {
  /**
   * Whether a remote name without an address is an error, as in stock, or becomes a `null` address that is resolved
   * later. The own addresses must always resolve.
   */
  readonly unresolvedIsError: boolean;
}

/** What became of the node list. */
export interface Resolution {
  readonly nodeIds: Map<number, number>;
  readonly generatedNodeIds: Map<number, number>;
  /** By position in the list; index = link. */
  readonly addresses: Map<number, (string | null)[]>;
  readonly unresolved: UnresolvedAddress[];
}

/** Addresses and ids of every node. `self` is treated as the local node, as stock does with the last when none is. */
export async function resolveNodes(
  context: TotemContext,
  nodes: readonly NodeEntry[],
  self: NodeEntry | null,
  transport: TransportName,
  options: TotemReadOptions,
): Promise<Resolution> {
  const families = familyPreference(context.map, transport);
  const resolution: Resolution = {
    nodeIds: new Map(),
    generatedNodeIds: new Map(),
    addresses: new Map(),
    unresolved: [],
  };
  // All names at once: one that does not resolve costs its time only once.
  const all = await Promise.all(nodes.map((node) => resolveNode(context, node, families)));
  if (transport === 'knet' && self?.nodeId === 0) throw missingNodeId(context, self, null);
  for (const [position, node] of nodes.entries()) {
    const addresses = all[position]!;
    resolution.addresses.set(node.index, addresses);
    assignNodeId(context, node, node === self, addresses, transport, resolution);
    if (options.unresolvedIsError) checkResolved(context, node, addresses);
    for (const [linkId, text] of node.addresses) {
      if (addresses[linkId] === null) {
        const nodeId = resolution.nodeIds.get(node.index) ?? 0;
        resolution.unresolved.push({ nodeIndex: node.index, nodeId, linkId, text, families });
      }
    }
  }
  return resolution;
}

/** Addresses of one node by link; `null` where there is none. */
async function resolveNode(
  context: TotemContext,
  node: NodeEntry,
  families: readonly (4 | 6)[],
): Promise<(string | null)[]> {
  const addresses: (string | null)[] = Array.from({ length: LINKS_MAX }, () => null);
  await Promise.all(
    [...node.addresses].map(async ([linkId, text]) => {
      addresses[linkId] = await resolveAddress(context, text, families);
    }),
  );
  return addresses;
}

function checkResolved(context: TotemContext, node: NodeEntry, addresses: readonly (string | null)[]): void {
  for (const [linkId, text] of [...node.addresses].sort(([a], [b]) => a - b)) {
    if (addresses[linkId] !== null) continue;
    throw context.error('RONDO_CONFIG_ADDRESS', `failed to parse node address '${text}'`, {
      key: node.addressKeys.get(linkId)!,
      hint: UNRESOLVED_HINT,
    });
  }
}

/** knet wants an id for every node; udp and udpu make it from the IPv4 address (config-and-tools.md 1.5.3). */
function assignNodeId(
  context: TotemContext,
  node: NodeEntry,
  isSelf: boolean,
  addresses: readonly (string | null)[],
  transport: TransportName,
  resolution: Resolution,
): void {
  const text = node.addresses.get(0) ?? [...node.addresses.values()][0];
  if (text === undefined) return;
  const key = `nodelist.node.${node.index}.nodeid`;
  const fail = (message: string, hint: string) =>
    context.error('RONDO_CONFIG_NODELIST', message, {
      key: context.positions.has(key) ? key : ([...node.addressKeys.values()][0] ?? key),
      hint,
    });
  if (node.nodeId !== 0) {
    if (transport === 'knet' && node.nodeId > KNET_NODE_ID_MAX) {
      throw fail(`Knet requires nodeid to be less than 65536 for address '${text}'.`, 'Use small numbers: 1, 2, 3, …');
    }
    resolution.nodeIds.set(node.index, node.nodeId);
    return;
  }
  if (transport === 'knet') throw missingNodeId(context, node, text);
  const address = addresses[0] ?? null;
  // Without an address there is no number to make an id from; stock reports the same as for IPv6.
  if (address === null || familyOf(address) === 6) {
    const message = 'An IPV6 network requires that a node ID be specified';
    throw fail(isSelf ? message : `${message} for address '${text}'.`, 'Add nodeid: N to the node');
  }
  const clearHighBit = context.map.getString('totem.clear_node_high_bit') === 'yes';
  const nodeId = ipv4Number(address) % (clearHighBit ? 0x8000_0000 : 0x1_0000_0000);
  resolution.nodeIds.set(node.index, nodeId);
  resolution.generatedNodeIds.set(node.index, nodeId);
}

function missingNodeId(context: TotemContext, node: NodeEntry, address: string | null) {
  const message =
    address === null
      ? 'Knet requires an explicit nodeid for the local node'
      : `Knet requires an explicit nodeid to be specified for address '${address}'.`;
  const key = `nodelist.node.${node.index}.nodeid`;
  return context.error('RONDO_CONFIG_NODELIST', message, {
    key: context.positions.has(key) ? key : ([...node.addressKeys.values()][0] ?? key),
    hint: 'Add nodeid: N to the node',
  });
}
