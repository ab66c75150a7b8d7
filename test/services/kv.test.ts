import t, { type Test } from 'tap';
import { decodeKvEvent, KvClient } from '../../src/services/examples/kv/client.ts';
import { createEngine, type KvEngine } from '../../src/services/examples/kv/engine.ts';
import { KV_SERVICE_ID } from '../../src/services/examples/kv/protocol.ts';
import { nodeList, QuorumNode } from './cluster.ts';
import { seeded } from './fake-clock.ts';
import type { FakeConnection } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

/** The client over a connection of the fake ring; `pump` lets the ring run until the response is there. */
class TestClient extends KvClient {
  constructor(
    readonly connection: FakeConnection,
    ring: FakeRing,
  ) {
    super({
      call: async (request) => {
        const before = connection.responses.length;
        connection.call(request);
        ring.settle();
        const response = connection.responses[before];
        if (response === undefined) throw new Error('no answer');
        return response;
      },
    });
  }
}

class KvCluster {
  readonly ring: FakeRing;
  readonly engines = new Map<number, KvEngine>();
  constructor(
    readonly ids: readonly number[],
    seed = 1,
    private readonly quorum = 'no',
  ) {
    this.ring = new FakeRing(seed);
  }

  async boot(nodeId: number): Promise<void> {
    const engine = createEngine({ name: 'kv', path: 'x', quorum: this.quorum });
    const settings = { 'quorum.provider': 'corosync_votequorum', ...nodeList(this.ids, nodeId) };
    const node = new QuorumNode(this.ring, nodeId, settings);
    await node.start(engine);
    this.ring.add(node);
    this.engines.set(nodeId, engine);
  }

  async bootAll(): Promise<this> {
    for (const nodeId of this.ids) await this.boot(nodeId);
    this.form([...this.ids]);
    return this;
  }

  form(...groups: number[][]): void {
    this.ring.partition(...groups);
    this.ring.settle();
  }

  client(nodeId: number): TestClient {
    return new TestClient(this.ring.nodes.get(nodeId)!.connect(KV_SERVICE_ID), this.ring);
  }
}

/** The whole map of a node. */
async function contents(cluster: KvCluster, nodeId: number): Promise<string> {
  const client = cluster.client(nodeId);
  const pairs: string[] = [];
  for (const key of await client.list()) pairs.push(`${key}=${await client.get(key)}`);
  client.connection.close();
  return pairs.join(' ');
}

t.test('put, get, delete, watch', async (t) => {
  const cluster = await new KvCluster([1, 2, 3]).bootAll();
  const [one, three] = [cluster.client(1), cluster.client(3)];
  await three.watch();
  await one.put('colour', 'grün');
  t.equal(await three.get('colour'), 'grün');
  t.equal(await three.get('size'), undefined);
  await three.delete('colour');
  t.same(await one.list(), []);
  t.same(three.connection.takeEvents().map(decodeKvEvent), [
    { key: 'colour', value: 'grün' },
    { key: 'colour', value: undefined },
  ]);
});

t.test('writes need quorum', async (t) => {
  const cluster = await new KvCluster([1, 2, 3], 1, 'yes').bootAll();
  await cluster.client(1).put('k', 'all');
  cluster.form([1], [2, 3]);
  await t.rejects(cluster.client(1).put('k', 'minority'), { message: /status 19/ });
  await cluster.client(2).put('k', 'majority');
  t.equal(await cluster.client(1).get('k'), 'all', 'reads are answered');
  cluster.form([1, 2, 3]);
  for (const nodeId of [1, 2, 3]) t.equal(await cluster.client(nodeId).get('k'), 'majority');
});

t.test('a new node gets the map, also when the sync is interrupted', async (t) => {
  for (let at = 0; at < 120; at += 3) {
    const cluster = await new KvCluster([1, 2, 3], at).bootAll();
    cluster.ring.kill(3);
    cluster.form([1, 2]);
    for (let i = 0; i < 5; i++) await cluster.client(2).put(`key${i}`, `value${i}`);
    await cluster.boot(3);
    cluster.ring.partition([1, 2, 3]);
    cluster.ring.wander(at);
    cluster.ring.partition([1], [2, 3]);
    cluster.ring.wander(at);
    cluster.form([1, 2, 3]);
    const said = await Promise.all([1, 2, 3].map((nodeId) => contents(cluster, nodeId)));
    if (new Set(said).size !== 1 || !said[0]!.includes('key4=value4'))
      t.fail(`stopped after ${at}: ${said.join(' | ')}`);
  }
  t.pass('40 interruptions');
});

async function agree(t: Test, cluster: KvCluster, label: string): Promise<void> {
  const rings = new Map<string, number[]>();
  for (const { nodeId } of cluster.ring.alive()) {
    const key = cluster.ring.membersOf(nodeId).join();
    rings.set(key, [...(rings.get(key) ?? []), nodeId]);
  }
  for (const members of rings.values()) {
    const said = new Set(await Promise.all(members.map((nodeId) => contents(cluster, nodeId))));
    if (said.size > 1) t.fail(`${label}: ring of ${members.join()} differs: ${[...said].join(' | ')}`);
  }
}

t.test('replicas agree after any story', async (t) => {
  const runs = Number(process.env['RONDO_PROPERTY_RUNS'] ?? 60);
  for (let seed = 1; seed <= runs; seed++) {
    const cluster = await new KvCluster([1, 2, 3, 4], seed).bootAll();
    const random = seeded(seed);
    for (let round = 0; round < 5; round++) {
      cluster.ring.fullChance = random() < 0.3 ? 0.3 : 0;
      for (let i = 0; i < 4; i++) {
        const living = cluster.ring.alive();
        const node = living[Math.floor(random() * living.length)]!;
        const client = new TestClient(node.connect(KV_SERVICE_ID), cluster.ring);
        void client.put(`k${Math.floor(random() * 5)}`, `${seed}.${round}.${i}`).catch(() => {});
      }
      const parts: number[][] = [[], []];
      for (const { nodeId } of cluster.ring.alive()) parts[Math.floor(random() * 2)]!.push(nodeId);
      cluster.ring.partition(...parts.filter((part) => part.length > 0));
      cluster.ring.wander(Math.floor(random() * 100));
    }
    cluster.ring.fullChance = 0;
    cluster.ring.advance(100);
    await agree(t, cluster, `seed ${seed}`);
    cluster.ring.partition([1, 2, 3, 4]);
    cluster.ring.advance(100);
    await agree(t, cluster, `seed ${seed} together`);
    for (const node of cluster.ring.alive()) t.same(node.failures, []);
  }
});
