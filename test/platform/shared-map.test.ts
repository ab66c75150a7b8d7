import t from 'tap';
import { type MapChange, SharedMap } from '../../src/platform/index.ts';
import { createTestCluster } from '../../src/testing/index.ts';

t.setTimeout(60_000);

t.test('changes, conditions, and watches without gaps across a cut', async (t) => {
  const cluster = await createTestCluster(3);
  const [a, b, c] = await cluster.run(
    Promise.all([1, 2, 3].map((id) => SharedMap.open<number>({ ...cluster.connectOptions(id), name: 'm' }))),
  );
  const seen: MapChange<number>[] = [];
  const watching = (async () => {
    for await (const change of a!.watch({ prefix: 'k' })) seen.push(change);
  })();
  const first = await cluster.run(b!.set('k1', 1, { ifRevision: 0 }));
  t.type(first, 'number');
  t.equal(await cluster.run(c!.set('k1', 2, { ifRevision: 0 })), null, 'it is there already');
  const second = await cluster.run(c!.set('k1', 2, { ifRevision: first! }));
  t.same(await cluster.run(a!.read('k1')), { value: 2, revision: second });
  t.equal(await cluster.run(a!.delete('none')), null);
  await cluster.run(a!.set('other', 9));
  await cluster.partition([1], [2, 3]);
  for (let i = 0; i < 50; i++) await cluster.run(b!.set(`k${i % 5}`, i));
  const gone = await cluster.run(c!.delete('k1'));
  t.equal(a!.get('k1')?.value, 2, 'cut off');
  await cluster.heal();
  t.equal(await cluster.run(a!.read('k1')), null);
  await cluster.settle();
  t.same(
    seen.map(({ value }) => value),
    [1, 2, ...Array.from({ length: 50 }, (_, i) => i), null],
  );
  t.equal(seen.at(-1)?.revision, gone);
  t.equal(a!.revision, b!.revision);
  t.same(
    a!.entries('k').map(([key, { value }]) => [key, value]),
    b!.entries('k').map(([key, { value }]) => [key, value]),
  );
  const past: MapChange<number>[] = [];
  for await (const change of c!.watch({ since: first! })) {
    past.push(change);
    if (change.revision === gone) break;
  }
  t.equal(past.length, 53, 'from a revision on');
  await cluster.run(Promise.all([a, b, c].map((map) => map!.close())));
  await watching;
  await cluster.close();
});

t.test('changes that are not kept any more are named, not passed over', async (t) => {
  const cluster = await createTestCluster(1);
  const map = await cluster.run(SharedMap.open<number>({ ...cluster.connectOptions(1), name: 'm' }));
  const begin = map.revision;
  for (let i = 0; i < 42; i++) await cluster.run(Promise.all(Array.from({ length: 100 }, (_, j) => map.set('k', j))));
  await t.rejects(map.watch({ since: begin }).next(), { code: 'RONDO_REVISION_GONE' });
  const stop = new AbortController();
  const watch = map.watch({ signal: stop.signal });
  stop.abort();
  t.strictSame(await watch.next(), { done: true, value: undefined });
  await cluster.run(map.close());
  await cluster.close();
});

t.test(
  'changes and barriers that were agreed on while their submitter was away have their results all the same',
  async (t) => {
    const cluster = await createTestCluster(3, { seed: 11 });
    const [map] = await cluster.run(
      Promise.all([1, 2, 3].map((id) => SharedMap.open<number>({ ...cluster.connectOptions(id), name: 'm' }))),
    );
    let revision = 0;
    for (let cut = 0; cut < 12; cut++) {
      const changes = Promise.all(Array.from({ length: 10 }, (_, at) => map!.set('k', 10 * cut + at)));
      const reads = Promise.all(Array.from({ length: 10 }, () => map!.read('k')));
      for (let turns = 0; turns < cut; turns++) await new Promise(setImmediate);
      await cluster.partition([1], [2, 3]);
      await cluster.heal();
      for (const made of await cluster.run(changes)) {
        t.ok(made! > revision, `${made} is its own`);
        revision = made!;
      }
      for (const read of await cluster.run(reads)) t.same(read, { value: 10 * cut + 9, revision });
    }
    await cluster.close();
  },
);
