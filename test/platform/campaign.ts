import { createTestCluster, type TestCluster } from '../../src/testing/index.ts';
import { seeded } from '../services/fake-clock.ts';
import { throwFault, wakeAll } from './fault-dice.ts';

/** Of what has no test of its kind elsewhere: a simulated cluster with faults by these seeds, and rules that hold all the time. */
export const FIRST = Number(process.env['CHECK_FIRST'] ?? 1);
export const SEEDS = Number(process.env['CHECK_SEEDS'] ?? 4);
const ACTS = 8;

export interface Field {
  readonly cluster: TestCluster;
  readonly int: (below: number) => number;
}

/** Faults while `work` goes on at each node, until `isOver()`; then the cluster is whole. */
export async function campaign(
  seed: number,
  open: (field: Field) => Promise<(nodeId: number, isOver: () => boolean) => Promise<void>>,
): Promise<Field> {
  const random = seeded(seed * 7919);
  const field: Field = {
    cluster: await createTestCluster(3, { seed }),
    int: (below) => Math.floor(random() * below),
  };
  const { cluster, int } = field;
  const work = await open(field);
  let over = false;
  const working = cluster.nodeIds.map((nodeId) => work(nodeId, () => over));
  const paused = new Set<string>();
  for (let act = 0; act < ACTS; act++) {
    await throwFault(cluster, int, paused);
    await cluster.advance(int(3000));
  }
  await wakeAll(cluster, paused);
  await cluster.heal();
  await cluster.advance(3000);
  over = true;
  await cluster.run(Promise.all(working));
  return field;
}
