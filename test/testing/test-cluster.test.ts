import t from 'tap';
import { Cpg, type CpgEvent, Quorum, type QuorumEvent } from '../../src/client/index.ts';
import { createTestCluster } from '../../src/testing/index.ts';

/** Every event of a program, until its connection ends. */
async function member(options: Parameters<typeof Cpg.connect>[0]) {
  const cpg = await Cpg.connect(options);
  await cpg.join('g', { initialRing: true });
  const events: CpgEvent[] = [];
  const reading = (async () => {
    try {
      for await (const event of cpg.events()) events.push(event);
    } catch {
      // its node died
    }
  })();
  const texts = (): string[] =>
    events.flatMap((event) => (event.type === 'message' ? [`${event.nodeId}:${Buffer.from(event.data)}`] : []));
  const last = <Type extends CpgEvent['type']>(type: Type) =>
    events.findLast((event): event is Extract<CpgEvent, { type: Type }> => event.type === type);
  return { cpg, events, texts, last, reading };
}

t.test('three nodes, a partition, a heal, in a moment of real time', async (t) => {
  const began = performance.now();
  const cluster = await createTestCluster(3);
  const members = await Promise.all(cluster.nodeIds.map((id) => member(cluster.connectOptions(id))));
  const [a, b, c] = members as [(typeof members)[0], (typeof members)[0], (typeof members)[0]];
  await Promise.all(members.flatMap(({ cpg }) => Array.from({ length: 20 }, (_, i) => cpg.send(`before ${i}`))));
  await cluster.settle();
  t.equal(a.texts().length, 60);
  t.same(b.texts(), a.texts(), 'one order');
  t.same(c.texts(), a.texts());
  const quorum = await Quorum.connect(cluster.connectOptions(1));
  const verdicts: QuorumEvent[] = [];
  const watch = await quorum.watch();
  void (async () => {
    for await (const event of watch) if (event.type === 'quorum') verdicts.push(event);
  })();
  await cluster.partition([1], [2, 3]);
  t.same(
    [1, 2, 3].map((id) => cluster.isQuorate(id)),
    [false, true, true],
  );
  t.same(
    a
      .last('membership')
      ?.left.map(({ nodeId, reason }) => [nodeId, reason])
      .sort(),
    [
      [2, 'node down'],
      [3, 'node down'],
    ],
  );
  t.equal(verdicts.at(-1)?.quorate, false);
  t.strictSame(verdicts.at(-1)?.ringId, a.last('ring')?.ringId, 'both services name the same ring');
  t.notSame(b.last('ring')?.ringId, a.last('ring')?.ringId);
  await Promise.all([a.cpg.send('alone'), b.cpg.send('together')]);
  await cluster.settle();
  await cluster.heal();
  t.strictSame(a.last('ring')?.ringId, c.last('ring')?.ringId);
  const place = cluster.run(c.cpg.send('after', { confirm: 'delivered' }));
  t.match(await place, { index: 0, ringId: c.last('ring')?.ringId });
  t.ok(a.texts().includes('1:alone') && !b.texts().includes('1:alone'));
  t.ok(c.texts().includes('2:together') && !a.texts().includes('2:together'));
  t.same(
    [a, b, c].map(({ texts }) => texts().at(-1)),
    ['3:after', '3:after', '3:after'],
  );
  await cluster.close();
  t.ok(performance.now() - began < 1500, `${Math.round(performance.now() - began)} ms`);
});

t.test('a node dies and comes back; a node stalls and goes on', async (t) => {
  const cluster = await createTestCluster(3, { seed: 5 });
  const [a, b] = await Promise.all([member(cluster.connectOptions(1)), member(cluster.connectOptions(2))]);
  await cluster.settle();
  await cluster.kill(2);
  t.match(await b.cpg.ended, { code: 'RONDO_DISCONNECTED' });
  await t.rejects(
    Cpg.connect(cluster.connectOptions(1)).then(() => cluster.connectOptions(2)),
    /not running/,
  );
  t.same(a.last('membership')?.left, [{ nodeId: 2, pid: process.pid, reason: 'node down' }]);
  await cluster.restart(2);
  const again = await member(cluster.connectOptions(2));
  await cluster.settle();
  t.equal(a.last('membership')?.members.length, 2);
  await cluster.pause(2);
  const before = again.events.length;
  t.equal(a.last('membership')?.members.length, 1);
  await a.cpg.send('unheard');
  await cluster.settle();
  t.equal(again.events.length, before, 'it hears nothing');
  await cluster.resume(2);
  t.equal(a.last('membership')?.members.length, 2);
  t.notOk(again.texts().includes('1:unheard'));
  await cluster.close();
});

t.test('the same seed is the same story; another one is another', async (t) => {
  const story = async (seed: number): Promise<string> => {
    const cluster = await createTestCluster(3, { seed });
    const members = await Promise.all(cluster.nodeIds.map((id) => member(cluster.connectOptions(id))));
    for (const { cpg } of members) for (let i = 0; i < 10; i++) cpg.trySend(`${i}`);
    await cluster.partition([1, 2], [3]);
    await cluster.close();
    return JSON.stringify(members.map(({ texts }) => texts()));
  };
  const [first, second, third] = [await story(3), await story(3), await story(4)];
  t.equal(first, second);
  t.not(first, third);
});

t.test('a closed connection leaves its group; a service that is not there is refused', async (t) => {
  const cluster = await createTestCluster(2, { settings: { 'quorum.two_node': true } });
  const [a, b] = await Promise.all([member(cluster.connectOptions(1)), member(cluster.connectOptions(2))]);
  await cluster.run(b.cpg.close());
  await cluster.settle();
  t.match(a.last('membership')?.left, [{ nodeId: 2, reason: 'process down' }]);
  t.same(await cluster.run(a.cpg.members('g')), [{ nodeId: 1, pid: process.pid }]);
  await cluster.kill(2);
  t.ok(cluster.isQuorate(1), 'two_node');
  await cluster.close();
});

t.test('a program that waits for time that nobody moves ends with a word about it', async (t) => {
  const { spawnSync } = await import('node:child_process');
  const of = (entry: string): string => new URL(`../../src/${entry}/index.js`, import.meta.url).href;
  const program = (last: string): string =>
    `import { Locks } from '${of('platform')}'; import { createTestCluster } from '${of('testing')}';
    const cluster = await createTestCluster(3); const locks = Locks.open(cluster.connectOptions(1)); locks.catch(() => {}); ${last}`;
  const said = (last: string): string =>
    spawnSync(process.execPath, ['--input-type=module', '-e', program(last)], { encoding: 'utf8' }).stderr;
  t.match(said('await locks;'), /RondoTestCluster: .*\n.*cluster\.run/);
  t.notMatch(said('await cluster.close();'), /RondoTestCluster/);
});
