import t from 'tap';
import { Barrier } from '../../src/platform/index.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/index.ts';

t.setTimeout(60_000);

const openAll = (cluster: TestCluster, more = {}): Promise<Barrier[]> =>
  cluster.run(
    Promise.all(
      cluster.nodeIds.map((id) => Barrier.open({ ...cluster.connectOptions(id), name: 'b', parties: 3, ...more })),
    ),
  );

/** Whether the promise has settled by now. */
async function isPending(cluster: TestCluster, promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const done = (): void => {
    pending = false;
  };
  promise.then(done, done);
  await cluster.settle();
  return pending;
}

t.test('all go on when the last one arrives, round after round', async (t) => {
  const cluster = await createTestCluster(3);
  const [a, b, c] = (await openAll(cluster)) as [Barrier, Barrier, Barrier];
  for (const round of [1, 2]) {
    const first = a.wait();
    await cluster.settle();
    const second = b.wait();
    t.ok(await isPending(cluster, Promise.race([first, second])));
    t.equal(c.arrived, 2);
    const third = c.wait();
    t.strictSame(await cluster.run(Promise.all([first, second, third])), [
      { round, place: 0 },
      { round, place: 1 },
      { round, place: 2 },
    ]);
  }
  const impatient = a.wait({ timeoutMs: 500 });
  await t.rejects(cluster.run(impatient), { code: 'RONDO_MACHINE_TIMEOUT' });
  const stop = new AbortController();
  const stopped = a.wait({ signal: stop.signal });
  await cluster.settle();
  stop.abort(new Error('enough'));
  await t.rejects(stopped, /enough/);
  await cluster.settle();
  t.equal(b.arrived, 0, 'who does not wait any more has not arrived');
  const waiting = t.rejects(b.wait(), { code: 'RONDO_MACHINE_CLOSED' });
  await cluster.settle();
  await cluster.run(b.close());
  await waiting;
  await cluster.run(Promise.all([a.close(), c.close()]));
  await cluster.close();
});

t.test('a party that dies has not arrived; one that was cut off arrives again by itself', async (t) => {
  const cluster = await createTestCluster(3, { seed: 2 });
  const [a, b, c] = (await openAll(cluster)) as [Barrier, Barrier, Barrier];
  const first = a.wait();
  const second = b.wait();
  await cluster.settle();
  t.equal(c.arrived, 2);
  await cluster.partition([1], [2, 3]);
  await cluster.advance(3000);
  t.equal(c.arrived, 1, 'it is not there');
  const third = c.wait();
  t.ok(await isPending(cluster, third), 'and the round is not complete without it');
  await cluster.heal();
  const passed = await cluster.run(Promise.all([first, second, third]));
  t.same(
    passed.map(({ round }) => round),
    [1, 1, 1],
  );
  const lonely = t.rejects(b.wait(), { code: 'RONDO_MACHINE_CLOSED' });
  await cluster.settle();
  await cluster.run(b.close());
  await lonely;
  await cluster.settle();
  t.equal(a.arrived, 0);
  await cluster.run(Promise.all([a.close(), c.close()]));
  await cluster.close();
});

t.test('a round that was complete while a party was away', async (t) => {
  const cluster = await createTestCluster(3, { seed: 5 });
  const [a, b, c] = (await openAll(cluster)) as [Barrier, Barrier, Barrier];
  const waits = [a.wait(), b.wait()];
  await cluster.settle();
  await cluster.pause(1);
  waits.push(c.wait());
  await cluster.settle();
  await cluster.resume(1);
  const passed = await cluster.run(Promise.all(waits));
  t.equal(new Set(passed.map(({ round }) => round)).size, 1);
  await cluster.run(Promise.all([a.close(), b.close(), c.close()]));
  await cluster.close();
});

t.test('a barrier that breaks, and one of another number of parties', async (t) => {
  const cluster = await createTestCluster(3, { seed: 3 });
  const [a, b, c] = (await openAll(cluster, { breaks: true })) as [Barrier, Barrier, Barrier];
  const broken = { code: 'RONDO_BARRIER_BROKEN' };
  const first = t.rejects(a.wait(), broken, 'the one that was cut off learns it, too');
  const second = t.rejects(b.wait(), broken);
  await cluster.settle();
  await cluster.partition([1], [2, 3]);
  await cluster.run(second);
  await cluster.heal();
  await cluster.run(first);
  const next = [a, b, c].map((barrier) => barrier.wait());
  t.match(await cluster.run(Promise.all(next)), [{ round: 2 }, { round: 2 }, { round: 2 }]);
  await cluster.run(c.close());
  const two = await cluster.run(Barrier.open({ ...cluster.connectOptions(3), name: 'b', parties: 2 }));
  const alone = a.wait();
  alone.catch(() => {});
  await cluster.settle();
  await t.rejects(cluster.run(two.wait()), { code: 'RONDO_BARRIER_BROKEN' });
  await t.rejects(Barrier.open({ ...cluster.connectOptions(3), name: 'b', parties: 0 }), { code: 'RONDO_ARGUMENT' });
  await cluster.run(Promise.all([a.close(), b.close(), two.close()]));
  await cluster.close();
});
