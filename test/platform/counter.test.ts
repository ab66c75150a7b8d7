import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Counter } from '../../src/platform/index.ts';
import { ResultTable } from '../../src/platform/replicated/result-table.ts';
import { createTestCluster } from '../../src/testing/index.ts';
import { seeded } from '../services/fake-clock.ts';
import { restOn, throwFault, wakeAll } from './fault-dice.ts';

t.setTimeout(120_000);

t.test('every addition counts once and returns its own sum, through cuts, pauses and deaths of daemons', async (t) => {
  for (let seed = 1; seed <= 3; seed++) {
    const cluster = await createTestCluster(3, { seed });
    const random = seeded(seed * 31);
    const int = (below: number): number => Math.floor(random() * below);
    const counters = await cluster.run(
      Promise.all(cluster.nodeIds.map((id) => Counter.open({ ...cluster.connectOptions(id), name: 'n' }))),
    );
    const sums: bigint[] = [];
    const errors: unknown[] = [];
    let open = true;
    const workers = counters.map(async (counter, at) => {
      while (open) {
        try {
          sums.push(await counter.add(1, { timeoutMs: Number.POSITIVE_INFINITY }));
        } catch (error) {
          errors.push(error);
        }
        await restOn(cluster, at + 1, 1 + int(100));
      }
    });
    const paused = new Set<string>();
    for (let act = 0; act < 8; act++) {
      if (int(4) === 0 && paused.size === 0) {
        const victim = 1 + int(3);
        await cluster.kill(victim);
        await cluster.advance(int(1500));
        await cluster.restart(victim);
      } else await throwFault(cluster, int, paused);
      await cluster.advance(int(2500));
    }
    await wakeAll(cluster, paused);
    await cluster.heal();
    await cluster.advance(6000);
    open = false;
    await cluster.run(Promise.all(workers));
    t.same(errors, [], `seed ${seed}: no result is lost`);
    t.equal(new Set(sums).size, sums.length, 'no two got the same number');
    t.equal(await cluster.run(counters[0]!.read()), BigInt(sums.length), `${sums.length} additions, each counted once`);
    t.ok(sums.length > 50);
    await cluster.run(Promise.all(counters.map((counter) => counter.close())));
    await cluster.close();
  }
});

t.test('an addition that was applied while its submitter was away has its result all the same', async (t) => {
  const cluster = await createTestCluster(3, { seed: 11 });
  const counters = await cluster.run(
    Promise.all(cluster.nodeIds.map((id) => Counter.open({ ...cluster.connectOptions(id), name: 'n' }))),
  );
  const sums: bigint[] = [];
  for (let cut = 0; cut < 12; cut++) {
    const adding = Promise.all(Array.from({ length: 10 }, () => counters[0]!.add()));
    for (let turns = 0; turns < cut; turns++) await new Promise(setImmediate);
    await cluster.partition([1], [2, 3]);
    await cluster.heal();
    sums.push(...(await cluster.run(adding)));
  }
  t.same(
    sums,
    sums.map((_, at) => BigInt(at + 1)),
  );
  await cluster.run(Promise.all(counters.map((counter) => counter.close())));
  await cluster.close();
});

t.test('amounts; what is refused; a counter on disk', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'rondo-counter-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  for (const expected of [2n ** 63n - 1n, 2n ** 64n - 2n]) {
    const cluster = await createTestCluster(1);
    const open = Counter.open({ ...cluster.connectOptions(1), name: 'n', store: { directory: home } });
    const counter = await cluster.run(open);
    t.equal(await cluster.run(counter.add(2n ** 63n - 1n)), expected, 'beyond 64 bits, and after all were gone');
    t.equal(counter.value, expected);
    await t.rejects(counter.add(1.5), { code: 'RONDO_ARGUMENT' });
    await t.rejects(counter.add(2n ** 63n), { code: 'RONDO_ARGUMENT' });
    const calls = Array.from({ length: 4097 }, () => counter.add(0));
    await t.rejects(calls.at(-1)!, { code: 'RONDO_MACHINE_FULL' });
    await cluster.run(Promise.all(calls.slice(0, -1)));
    await cluster.run(counter.close());
    await t.rejects(counter.add(), { code: 'RONDO_MACHINE_CLOSED' });
    await cluster.close();
  }
});

t.test('results are kept as long as their submitter may ask for them', async (t) => {
  const table = new ResultTable<string>();
  table.note('a', 1, 1, 'one');
  table.note('a', 2, 1, 'two');
  t.same([table.find('a', 1), table.find('a', 2), table.find('b', 1)], [{ result: 'one' }, { result: 'two' }, null]);
  table.note('a', 3, 2, 'three');
  t.equal(table.find('a', 1), null, 'settled');
  const copy = new ResultTable<string>();
  copy.load(JSON.parse(JSON.stringify(table.save())));
  t.same(copy.find('a', 2), { result: 'two' });
  for (let i = 0; i < 1100; i++) table.note(`x${i}`, 1, 1, '');
  table.members(new Set(['a']));
  t.same(table.find('a', 2), { result: 'two' }, 'of a member, however many others there were');
  t.equal(table.find('x0', 1), null, 'the oldest of those that are gone');
  t.same(table.find('x1099', 1), { result: '' });
});
