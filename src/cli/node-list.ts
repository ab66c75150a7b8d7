import type { Cmap } from '../client/cmap.ts';
import type { ListedNode } from './node-plan.ts';

/** The node list that is in force. `states`: of each node, as the map has it. */
export async function listedNodes(
  cmap: Cmap,
  states: ReadonlyMap<number, unknown> = new Map(),
): Promise<readonly ListedNode[]> {
  const blocks = new Map<string, Map<string, unknown>>();
  for await (const { key, value } of cmap.entries('nodelist.node.')) {
    const [, , index = '', field = ''] = key.split('.');
    const block = blocks.get(index) ?? new Map<string, unknown>();
    blocks.set(index, block.set(field, value));
  }
  return [...blocks.values()].map((block) => {
    const nodeId = Number(block.get('nodeid'));
    const addresses = [...block].filter(([field]) => /^ring\d_addr$/.test(field)).sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      nodeId,
      name: block.has('name') ? String(block.get('name')) : null,
      addresses: addresses.map(([, address]) => String(address)),
      votes: Number(block.get('quorum_votes') ?? 1),
      member: states.get(nodeId) === 'joined',
    };
  });
}
