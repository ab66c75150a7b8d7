import { familyOf } from './addresses.ts';
import type { TotemContext } from './context.ts';
import type { InterfaceSettings } from './links.ts';
import type { NodeEntry } from './nodelist.ts';
import type { Resolution } from './resolve-nodes.ts';

/** Rules of several links and of the families on one link (config-and-tools.md 1.8 step 10). */
export function checkMultiLink(
  context: TotemContext,
  nodes: readonly NodeEntry[],
  links: readonly InterfaceSettings[],
  addresses: ReadonlyMap<number, readonly (string | null)[]>,
): void {
  if (links.length > 1) {
    const nameless = links[0]?.members.find(({ name }) => name === null);
    if (nameless !== undefined) {
      const text = "for a multi-link configuration, all nodes must have a 'name' attribute";
      const key = [...nameless.addressKeys.values()][0] ?? `nodelist.node.${nameless.index}.nodeid`;
      throw context.invalid('RONDO_CONFIG_NODELIST', text, { key, hint: 'Add name: NAME to the node' });
    }
  }
  const expected = links[0]?.members.length;
  for (const link of links) {
    if (link.members.length !== expected) {
      const without = nodes.find(
        (node) => links.some(({ linkId }) => node.addresses.has(linkId)) && !link.members.includes(node),
      );
      throw context.invalid('RONDO_CONFIG_NODELIST', 'Not all nodes have the same number of links', {
        key:
          without === undefined
            ? `totem.interface.${link.linkId}.linknumber`
            : ([...without.addressKeys.values()][0] ?? ''),
        hint: `Link ${link.linkId} has ${link.members.length} addresses, link ${links[0]?.linkId} has ${expected}`,
      });
    }
    checkFamilies(context, link, addresses);
  }
}

function checkFamilies(
  context: TotemContext,
  link: InterfaceSettings,
  addresses: ReadonlyMap<number, readonly (string | null)[]>,
): void {
  const [first, ...others] = link.members;
  const reference = first === undefined ? null : (addresses.get(first.index)?.[link.linkId] ?? null);
  for (const node of reference === null ? [] : others) {
    const address = addresses.get(node.index)?.[link.linkId] ?? null;
    if (address === null || familyOf(address) === familyOf(reference!)) continue;
    const text = `Nodes for link ${link.linkId} have different IP families (compared ${address} with ${reference})`;
    const key = node.addressKeys.get(link.linkId)!;
    throw context.invalid('RONDO_CONFIG_NODELIST', text, { key, hint: 'Use one family on a link' });
  }
}

export function checkDuplicateIds(context: TotemContext, { nodeIds }: Resolution): void {
  const seen = new Set<number>();
  for (const [index, nodeId] of nodeIds) {
    if (!seen.has(nodeId)) {
      seen.add(nodeId);
      continue;
    }
    throw context.error('RONDO_CONFIG_NODELIST', `Nodeid ${nodeId} appears twice in corosync.conf`, {
      key: `nodelist.node.${index}.nodeid`,
      hint: 'Give every node a number of its own',
    });
  }
}
