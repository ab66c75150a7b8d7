import fc from 'fast-check';
import t, { type Test } from 'tap';
import { calculateQuorum, parseTieBreaker } from '../../src/services/votequorum/quorum-math.ts';
import { type NodeSettings, QuorumCluster } from './cluster.ts';
import { seeded } from './fake-clock.ts';

/** What must hold whatever happens: random joins, deaths, cuts and merges, interrupted in every phase of the sync. */
const RUNS = Number(process.env['RONDO_PROPERTY_RUNS'] ?? 60);

interface Story {
  readonly cluster: QuorumCluster;
  readonly random: () => number;
}

async function story(seed: number, size: number, settings: NodeSettings): Promise<Story> {
  const cluster = new QuorumCluster(size, settings, { seed });
  const random = seeded(seed * 7919 + 1);
  for (const nodeId of cluster.ids) if (random() < 0.8) await cluster.boot(nodeId);
  return { cluster, random };
}

/** Random groups of the living nodes. */
function groups({ cluster, random }: Story): number[][] {
  const parts: number[][] = [[], [], []];
  for (const { nodeId } of cluster.ring.alive()) parts[Math.floor(random() * 3)]!.push(nodeId);
  return parts.filter((part) => part.length > 0);
}

async function disturb(scene: Story): Promise<void> {
  const { cluster, random } = scene;
  const { ring } = cluster;
  const choice = random();
  const living = ring.alive().map((node) => node.nodeId);
  if (choice < 0.2 && living.length > 1) ring.kill(living[Math.floor(random() * living.length)]!);
  else if (choice < 0.4) {
    const dead = cluster.ids.filter((nodeId) => !living.includes(nodeId));
    const back = dead[Math.floor(random() * dead.length)];
    if (back !== undefined) await cluster.boot(back);
  }
  ring.fullChance = random() < 0.3 ? 0.3 : 0;
  ring.partition(...groups(scene));
  ring.wander(Math.floor(random() * 60)); // stops somewhere inside the sync, most of the time
}

/** Nodes of one ring say the same; returns how many rings are quorate. */
function check(t: Test, { cluster }: Story, label: string): void {
  const { ring } = cluster;
  const rings = new Map<string, number[]>();
  for (const { nodeId } of ring.alive()) {
    const key = ring.membersOf(nodeId).join(',');
    rings.set(key, [...(rings.get(key) ?? []), nodeId]);
  }
  let quorateRings = 0;
  for (const [key, members] of rings) {
    const said = new Set(
      members.map((nodeId) =>
        cluster
          .node(nodeId)
          .summary()
          .replace(/expected.*/, ''),
      ),
    );
    const quorate = new Set(members.map((nodeId) => cluster.node(nodeId).quorate));
    if (quorate.size > 1) t.fail(`${label}: ring ${key} differs: ${[...said].join(' | ')}`);
    if (quorate.has(true)) quorateRings++;
  }
  if (quorateRings > 1) t.fail(`${label}: ${quorateRings} rings are quorate: ${JSON.stringify(cluster.summaries())}`);
  for (const node of ring.alive()) {
    if (node.failures.length > 0) t.fail(`${label}: ${node.failures.join()}`);
    if (node.host.syncInProgress) t.fail(`${label}: node ${node.nodeId} hangs in sync`);
  }
}

const OPTIONS: Readonly<Record<string, { size: number; settings: NodeSettings }>> = {
  plain: { size: 5, settings: {} },
  'wait for all': { size: 4, settings: { 'quorum.wait_for_all': true } },
};

async function everybodyTogether(t: Test, scene: Story, label: string): Promise<void> {
  const { cluster } = scene;
  cluster.ring.fullChance = 0;
  for (const nodeId of cluster.ids) if (!cluster.ring.nodes.has(nodeId)) await cluster.boot(nodeId);
  cluster.ring.partition([...cluster.ids]);
  cluster.ring.advance(50);
  check(t, scene, label);
  const end = Object.values(cluster.summaries());
  if (!end.every((summary) => summary.startsWith('Q'))) t.fail(`${label}: all together: ${end.join(' | ')}`);
}

for (const [name, { size, settings }] of Object.entries(OPTIONS)) {
  t.test(`one quorum at most, and no disagreement: ${name}`, async (t) => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const scene = await story(seed, size, settings);
      for (let round = 0; round < 6; round++) {
        await disturb(scene);
        if (scene.random() < 0.5) continue;
        scene.cluster.ring.fullChance = 0;
        scene.cluster.ring.advance(50);
        check(t, scene, `seed ${seed} round ${round}`);
      }
      await everybodyTogether(t, scene, `seed ${seed} end`);
    }
    t.pass(`${RUNS} seeds`);
  });
}

/**
 * A tie breaker decides one split of the whole cluster. It remembers only what was before the split, so that after two
 * splits in a row without a merge in between two halves may both win: that is how stock defines it.
 */
for (const tieBreaker of ['lowest', 'highest', '2 3 1 4']) {
  t.test(`one half at most goes on: ${tieBreaker}`, async (t) => {
    const settings = { 'quorum.auto_tie_breaker': true, 'quorum.auto_tie_breaker_node': tieBreaker };
    for (let seed = 1; seed <= RUNS; seed++) {
      const scene = await story(seed, 4, settings);
      for (let round = 0; round < 3; round++) {
        await everybodyTogether(t, scene, `seed ${seed} merge ${round}`);
        await disturb(scene);
        scene.cluster.ring.fullChance = 0;
        scene.cluster.ring.advance(50);
        check(t, scene, `seed ${seed} split ${round}`);
      }
    }
    t.pass(`${RUNS} seeds`);
  });
}

t.test('a member that dies after every single step of the sync', async (t) => {
  let steps = 0;
  for (let at = 0; ; at++) {
    const cluster = await new QuorumCluster(3).bootAll();
    cluster.form([1, 2], [3]);
    cluster.ring.partition([1, 2, 3]);
    cluster.ring.wander(at);
    const finished = cluster.node(1).host.syncInProgress === false && cluster.node(2).host.syncInProgress === false;
    cluster.ring.kill(3);
    cluster.form([1, 2]);
    const said = cluster.common();
    if (said !== 'Q total 2 quorum 2 expected 3') t.fail(`after step ${at}: ${said}`);
    const states = [1, 2, 3].map((nodeId) => cluster.node(1).info(nodeId).state);
    if (states.join() !== '1,1,2') t.fail(`after step ${at}: states ${states.join()}`);
    steps = at;
    if (finished) break;
  }
  t.ok(steps > 30, `${steps} places to die`);
});

t.test('arithmetic', async (t) => {
  const tally = fc.record({
    members: fc.array(fc.record({ votes: fc.nat(100), expectedVotes: fc.nat(400) }), { minLength: 1, maxLength: 16 }),
    castDeviceVotes: fc.option(fc.nat(100)),
    twoNode: fc.boolean(),
    allowDownscale: fc.boolean(),
    expectedVotesBarrier: fc.nat(400),
    currentQuorum: fc.nat(400),
  });
  fc.assert(
    fc.property(tally, fc.boolean(), fc.nat(400), (input, allowDecrease, max) => {
      const { quorum, total } = calculateQuorum(input, allowDecrease, max);
      const count = input.members.length + (input.castDeviceVotes === null ? 0 : 1);
      if (input.twoNode && count <= 2) return quorum === 1;
      return quorum * 2 > total && (allowDecrease || quorum >= input.currentQuorum);
    }),
  );
  t.same(parseTieBreaker('3 1 x 2'), { mode: 'list', nodeIds: [3, 1] });
  t.same(parseTieBreaker('x 1'), null);
  t.same(parseTieBreaker('highest'), { mode: 'highest' });
});
