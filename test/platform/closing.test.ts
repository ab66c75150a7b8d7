import t, { type Test } from 'tap';
import { Barrier, Counter, Election, Leases, Locks, Presence, Queue, SharedMap } from '../../src/platform/index.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/index.ts';

t.setTimeout(60_000);

/** What giving back and leaving may take, in virtual time: the limit itself, and steps of the clock. */
const LIMIT_MS = 1_500;

const onAll = <T>(cluster: TestCluster, open: (options: object) => Promise<T>): Promise<T[]> =>
  cluster.run(Promise.all(cluster.nodeIds.map((id) => open(cluster.connectOptions(id)))));

async function takes(t: Test, cluster: TestCluster, what: string, run: () => Promise<unknown>): Promise<void> {
  const startedMs = cluster.nowMs();
  await cluster.run(run());
  const tookMs = cluster.nowMs() - startedMs;
  t.ok(tookMs <= LIMIT_MS, `${what}: ${tookMs} ms`);
}

t.test(
  'what a program without a majority does not get agreed on keeps it for a second; the others take it',
  async (t) => {
    const cluster = await createTestCluster(3);
    const elections = await onAll(cluster, (options) => Election.open({ ...options, name: 'e' }));
    const locks = await onAll(cluster, (options) => Locks.open(options));
    const leases = await onAll(cluster, (options) => Leases.open(options));
    const queues = await onAll(cluster, (options) => Queue.open<number>({ ...options, name: 'q', leaseMs: 10_000 }));
    const stop = new AbortController();
    let leading = false;
    const leader = (async () => {
      for await (const term of elections[0]!.terms({ signal: stop.signal })) {
        leading = true;
        await new Promise((resolve) => AbortSignal.any([term.signal, stop.signal]).addEventListener('abort', resolve));
      }
    })();
    const lock = await cluster.run(locks[0]!.acquire('x'));
    await cluster.run(locks[0]!.acquire('y'));
    const lease = await cluster.run(leases[0]!.acquire('l', { ttlMs: 20_000 }));
    await cluster.run(leases[0]!.acquire('m', { ttlMs: 20_000 }));
    for (const value of [1, 2, 3, 4]) await cluster.run(queues[1]!.put(value));
    const [released, confirmed, rejected] = await cluster.run(Promise.all([1, 2, 3, 4].map(() => queues[0]!.take())));
    t.ok(leading);
    await cluster.partition([1], [2, 3]);
    stop.abort();
    await takes(t, cluster, 'a leader that resigns', () => leader);
    await takes(t, cluster, 'a lock', () => lock.release());
    await takes(t, cluster, 'a lease', () => lease.release());
    await takes(t, cluster, 'a job', () => released!.release());
    const limit = { timeoutMs: 500 };
    await takes(t, cluster, 'confirming with a limit', () =>
      t.rejects(confirmed!.confirm(limit), { code: 'RONDO_MACHINE_TIMEOUT' }),
    );
    await takes(t, cluster, 'rejecting with a limit', () =>
      t.rejects(rejected!.reject('', limit), { code: 'RONDO_MACHINE_TIMEOUT' }),
    );
    for (const [what, it] of Object.entries({
      election: elections[0],
      locks: locks[0],
      leases: leases[0],
      queue: queues[0],
    }))
      await takes(t, cluster, `closing: ${what}`, () => it!.close());
    t.ok(await cluster.run(locks[1]!.acquire('x')));
    t.ok(await cluster.run(locks[1]!.acquire('y')));
    t.ok(await cluster.run(leases[1]!.acquire('l')));
    t.ok(await cluster.run(leases[2]!.acquire('m')));
    const terms = elections[1]!.terms();
    t.notOk((await cluster.run(terms.next())).done);
    const again = await cluster.run(Promise.all([1, 2, 3, 4].map(() => queues[2]!.take())));
    t.same(again.map(({ value }) => value).sort(), [1, 2, 3, 4]);
    await cluster.close();
  },
);

t.test('what is not given back is given back when there is a majority again', async (t) => {
  const cluster = await createTestCluster(3);
  const [a, b] = await onAll(cluster, (options) => Locks.open({ ...options, leaseMs: 60_000 }));
  const lock = await cluster.run(a!.acquire('x'));
  await cluster.partition([1], [2], [3]);
  await takes(t, cluster, 'a lock', () => lock.release());
  await cluster.heal();
  await takes(t, cluster, 'the next one', () => b!.acquire('x'));
  await cluster.close();
});

t.test('all others close without a majority, too, with calls that wait', async (t) => {
  const cluster = await createTestCluster(3);
  const counters = await onAll(cluster, (options) => Counter.open({ ...options, name: 'c' }));
  const maps = await onAll(cluster, (options) => SharedMap.open({ ...options, name: 'm' }));
  const barriers = await onAll(cluster, (options) => Barrier.open({ ...options, name: 'b', parties: 3 }));
  const here = await onAll(cluster, (options) => Presence.open({ ...options, name: 'p', attributes: {} }));
  await cluster.partition([1], [2], [3]);
  const calls = [counters[0]!.add(), maps[0]!.set('k', 1), barriers[0]!.wait(), here[0]!.set({})];
  const ended = Promise.allSettled(calls);
  await cluster.settle();
  for (const it of [counters[0], maps[0], barriers[0], here[0]])
    await takes(t, cluster, it!.constructor.name, () => it!.close());
  for (const call of await cluster.run(ended))
    t.match(call, { status: 'rejected', reason: { code: 'RONDO_MACHINE_CLOSED' } });
  await cluster.close();
});
