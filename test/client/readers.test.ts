import t from 'tap';
import { Cpg, type CpgEvent } from '../../src/client/index.ts';
import { ProcessGroup } from '../../src/platform/index.ts';
import { createTestCluster } from '../../src/testing/index.ts';

t.setTimeout(60_000);

const textOf = (event: CpgEvent): string =>
  event.type === 'message' ? Buffer.from(event.data).toString() : event.type;

async function texts(events: AsyncIterable<CpgEvent>, count: number): Promise<string[]> {
  const found: string[] = [];
  if (count === 0) return found;
  for await (const event of events) if (found.push(textOf(event)) === count) break;
  return found;
}

t.test('several readers see every event; one that leaves takes nothing from the others', async (t) => {
  const cluster = await createTestCluster(1);
  const cpg = await Cpg.connect(cluster.connectOptions(1));
  await cpg.join('g');
  await cpg.send('a', { confirm: 'delivered' });
  const first = cpg.watch();
  t.same(await texts({ [Symbol.asyncIterator]: () => first }, 2), ['membership', 'a'], 'what came before anybody read');
  await cpg.send('b', { confirm: 'delivered' });
  const all = [cpg.watch(), cpg.watch()].map((watch, at) => texts(watch, at === 0 ? 3 : 2));
  const signal = new AbortController();
  const aborted = texts(cpg.watch({ signal: signal.signal }), 100);
  for (const text of ['c', 'd']) await cpg.send(text, { confirm: 'delivered' });
  signal.abort();
  t.same(await aborted, ['c', 'd']);
  t.same(await Promise.all(all), [
    ['b', 'c', 'd'],
    ['c', 'd'],
  ]);
  t.same(await texts(cpg.events(), 0), []);
  const loop = cpg.events();
  const late = texts(cpg.watch(), 1);
  await cpg.send('e', { confirm: 'delivered' });
  t.same([(await loop.next()).value?.type, await late], ['message', ['e']], 'a loop has what comes beside watches');
  const rest = texts(cpg.watch(), 100);
  await cpg.close();
  t.same(await rest, [], 'all end with the connection');
  t.same(await texts(cpg.watch(), 100), []);
  await cluster.close();
});

t.test('a program that only watches is not held up by events that nobody reads', async (t) => {
  const cluster = await createTestCluster(1);
  const cpg = await Cpg.connect({ ...cluster.connectOptions(1), queueBytes: 10_000 });
  await cpg.join('g');
  const read = texts(cpg.watch(), 101);
  for (let i = 0; i < 100; i++) await cluster.run(cpg.send('x'.repeat(1000), { confirm: 'delivered' }));
  t.equal((await read).length, 101);
  const slow = cpg.watch();
  for (let i = 0; i < 100; i++) await cpg.send(`${i}`);
  const fast = texts(cpg.watch(), 1);
  await cluster.settle();
  t.same(
    await texts(slow, 100),
    Array.from({ length: 100 }, (_, i) => `${i}`),
    'a slow one makes the daemon keep them, and misses nothing',
  );
  await cluster.settle();
  t.equal((await fast).length, 1);
  await cluster.kill(1);
  await t.rejects(texts(cpg.watch(), 1), { code: 'RONDO_DISCONNECTED' });
  await cluster.close();
});

t.test('two loops over the same events are an error in one of them, not a part for each', async (t) => {
  const cluster = await createTestCluster(1);
  const cpg = await Cpg.connect(cluster.connectOptions(1));
  await cpg.join('g');
  for (const text of ['a', 'b', 'c']) await cpg.send(text, { confirm: 'delivered' });
  const first = cpg.events();
  const second = cpg.events();
  await first.next();
  await second.next();
  await t.rejects(first.next(), { code: 'RONDO_ONE_READER', message: /watch\(\)/ });
  t.equal(textOf((await second.next()).value!), 'b');
  await second.return?.();
  t.equal(textOf((await first.next()).value!), 'c', 'the other one has left');
  await t.rejects(
    Cpg.connect({ ...cluster.connectOptions(1), messageMemory: 'lent' }).then((one) => one.watch()),
    {
      code: 'RONDO_ARGUMENT',
    },
  );
  await cluster.close();
});

t.test('a group has several readers, too', async (t) => {
  const cluster = await createTestCluster(1);
  const group = await cluster.run(
    ProcessGroup.open<number>({ ...cluster.connectOptions(1), name: 'g', queueEvents: 5 }),
  );
  const values = async (count: number): Promise<number[]> => {
    const found: number[] = [];
    for await (const event of group.watch()) {
      if (event.type === 'message' && found.push(event.value) === count) break;
    }
    return found;
  };
  const all = Promise.all([values(20), values(20)]);
  for (let i = 0; i < 20; i++) await cluster.run(group.send(i));
  const wanted = Array.from({ length: 20 }, (_, i) => i);
  t.same(await cluster.run(all), [wanted, wanted]);
  await cluster.run(group.close());
  await cluster.close();
});
