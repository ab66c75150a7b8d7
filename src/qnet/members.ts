import type { QnetNode } from './messages.ts';

export const hasNode = (nodes: readonly QnetNode[], nodeId: number): boolean =>
  nodes.some((node) => node.nodeId === nodeId);

const keys = new WeakMap<readonly QnetNode[], string>();

/** The same for lists of the same nodes, in whatever order and however often. Lists are not changed once they are made. */
export function nodesKey(nodes: readonly QnetNode[]): string {
  let key = keys.get(nodes);
  if (key === undefined) {
    key = [...new Set(nodes.map(({ nodeId }) => nodeId))].sort((one, other) => one - other).join();
    keys.set(nodes, key);
  }
  return key;
}
