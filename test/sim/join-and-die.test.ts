import t from 'tap';
import { ServiceId } from '../../src/services/codec/ids.ts';
import type { SimNode } from './sim-node.ts';
import { World } from './world.ts';

/**
 * A node joins a ring of three and something dies at step k of it, for every k: in gather, commit, recovery, and in every
 * step of the synchronisation. What is left must go on, and no process of the dead may stay listed: a stall or a ghost here
 * has fenced whole clusters.
 */
const stride = Number(process.env['JOIN_DIE_STRIDE'] ?? 1);
const seeds = Number(process.env['JOIN_DIE_SEEDS'] ?? 3);
const JOINER = 3;
const STEPS_MAX = 3000;
/** Runs that there are at least when no step is left out. */
const RUNS_MIN = 500;

/** How many runs there were, and where the joiner was when something died: in sync at all, in the CPG's part of it. */
const sums = { runs: 0, duringSync: 0, duringCpgSync: 0 };

interface Case {
  readonly name: string;
  /** What happens to whom; the ring is 0, 1, 2 and the joiner. */
  readonly strike: (world: World, nodes: readonly SimNode[]) => void;
  readonly revive?: (world: World) => void;
}

const restart = (index: number) => (world: World) => world.startNode(index);

const CASES: readonly Case[] = [
  { name: 'the joiner dies', strike: (_world, nodes) => nodes[JOINER]!.crash() },
  { name: 'the joiner dies and returns', strike: (_world, nodes) => nodes[JOINER]!.crash(), revive: restart(JOINER) },
  {
    name: 'the representative dies',
    strike: (_world, nodes) => [...nodes].sort((a, b) => a.options.nodeId - b.options.nodeId)[0]!.crash(),
  },
  { name: 'another member dies', strike: (_world, nodes) => nodes[1]!.crash() },
  {
    name: 'the joiner is frozen for three token timeouts',
    strike: (world, nodes) => {
      nodes[JOINER]!.pausedUntil = world.now() + 3 * world.timings.tokenMs;
    },
  },
];

/** One run; returns whether the joiner was through before step k. */
function run(seed: number, step: number, { strike, revive }: Case): { violations: readonly string[]; done: boolean } {
  const world = new World(seed, { nodes: 4, faults: false, checkReassembly: false });
  for (let index = 0; index < 3; index++) world.startNode(index);
  world.settle();
  for (let i = 0; i < 12; i++) for (let index = 0; index < 3; index++) world.nodes[index]!.cpgAct();
  world.settle();
  world.startNode(JOINER);
  const joiner = world.nodes[JOINER]!;
  for (let i = 0; i < 6; i++) joiner.cpgAct();
  const joined = () => joiner.groups.srp.members.length === 4 && !joiner.sync.isInProgress();
  world.runWhile(10 * world.timings.tokenMs, () => joiner.events >= step || joined());
  const done = joined();
  const { phase, serviceId } = joiner.sync.status(0);
  sums.runs++;
  if (phase !== 'idle') sums.duringSync++;
  if (serviceId === ServiceId.CPG) sums.duringCpgSync++;
  strike(
    world,
    world.nodes.filter((node) => node !== null),
  );
  world.runFor(1);
  revive?.(world);
  world.runFor(4 * world.timings.tokenMs);
  world.settle();
  return { violations: world.finish().violations, done };
}

t.setTimeout(1_200_000);
for (const item of CASES) {
  t.test(item.name, async (t) => {
    t.setTimeout(1_200_000);
    let runs = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      for (let step = 1; step < STEPS_MAX; step += stride) {
        const { violations, done } = run(seed, step, item);
        runs++;
        if (violations.length > 0) t.fail(`seed ${seed}, step ${step}`, { violations });
        if (done) break;
      }
    }
    t.ok(runs > 3, `${runs} steps`);
  });
}

t.test('steps were enough', async (t) => {
  const { runs, duringSync, duringCpgSync } = sums;
  const scene = `${runs} runs; ${duringSync} struck during sync, ${duringCpgSync} of them while the CPG lists were exchanged`;
  t.comment(scene);
  t.ok(runs * stride > RUNS_MIN, scene);
  t.ok(duringCpgSync > 0);
});
