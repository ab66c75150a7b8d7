import { clockOf } from '../../src/client/clock.ts';
import type { TestCluster } from '../../src/testing/index.ts';

/** How a node is called in the set of those that are paused. */
export const nodeName = (nodeId: number): string => `node ${nodeId}`;

/** One fault of a simulated cluster: a partition, its end, a node that is paused (one at a time), or all awake. */
export async function throwFault(
  cluster: TestCluster,
  int: (below: number) => number,
  paused: Set<string>,
): Promise<void> {
  const { nodeIds } = cluster;
  const nodeId = nodeIds[int(nodeIds.length)]!;
  const dice = int(6);
  if (dice < 2) {
    const others = nodeIds.filter((id) => id !== nodeId);
    await cluster.partition([nodeId], others);
  } else if (dice === 2) await cluster.heal();
  else if (dice === 3 && paused.size === 0) {
    paused.add(nodeName(nodeId));
    await cluster.pause(nodeId);
  } else await wakeAll(cluster, paused);
}

export async function wakeAll(cluster: TestCluster, paused: Set<string>): Promise<void> {
  for (const nodeId of cluster.nodeIds) {
    if (!paused.has(nodeName(nodeId))) continue;
    await cluster.resume(nodeId);
    paused.delete(nodeName(nodeId));
  }
}

/** Virtual time passes, on one node: a program there that stalls does, too. */
export const restOn = (cluster: TestCluster, nodeId: number, ms: number): Promise<void> =>
  new Promise((resolve) => void clockOf(cluster.connectOptions(nodeId)).setTimer(ms, resolve));
