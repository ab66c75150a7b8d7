import type { QnetNode } from './messages.ts';

export const hasNode = (nodes: readonly QnetNode[], nodeId: number): boolean =>
  nodes.some((node) => node.nodeId === nodeId);

/** Every node of the one list is in the other. */
export const allListed = (nodes: readonly QnetNode[], of: readonly QnetNode[]): boolean =>
  nodes.every(({ nodeId }) => hasNode(of, nodeId));
