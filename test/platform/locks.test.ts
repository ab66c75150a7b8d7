import t from 'tap';
import { Election, Locks, type Term } from '../../src/platform/index.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/index.ts';
import { seeded } from '../services/fake-clock.ts';
import { nodeName, throwFault, wakeAll } from './fault-dice.ts';

t.setTimeout(300_000);

const open = (cluster: TestCluster, nodeId: number, more = {}): Promise<Locks> =>
  cluster.run(Locks.open({ ...cluster.connectOptions(nodeId), ...more }));

t.test('one holder at a time, in the order of the requests, with growing tokens', async (t) => {
  const cluster = await createTestCluster(3);
  const [a, b, c] = await cluster.run(Promise.all([1, 2, 3].map((id) => Locks.open(cluster.connectOptions(id)))));
  const first = await cluster.run(a!.acquire('x'));
  t.equal(await cluster.run(b!.tryAcquire('x')), null);
  t.match(await cluster.run(c!.owner('x')), { nodeId: 1, pid: process.pid, life: a!.life, token: first.token });
  const order: string[] = [];
  const second = b!.acquire('x').then((lock) => {
    order.push('b');
    return lock;
  });
  await cluster.settle();
  const third = c!.acquire('x').then((lock) => {
    order.push('c');
    return lock;
  });
  const other = await cluster.run(c!.acquire('y'));
  await t.rejects(cluster.run(c!.acquire('x', { timeoutMs: 500 })), { code: 'RONDO_MACHINE_TIMEOUT' });
  const stop = new AbortController();
  const givenUp = a!.acquire('x', { signal: stop.signal });
  stop.abort(new Error('enough'));
  await t.rejects(givenUp, /enough/);
  t.same(order, []);
  await cluster.run(first.release());
  const held = await cluster.run(second);
  t.ok(held.token > first.token);
  await cluster.run(held.release());
  const last = await cluster.run(third);
  t.ok(last.token > held.token);
  t.same(order, ['b', 'c']);
  t.notOk(last.lost.aborted || other.lost.aborted);
  await cluster.advance(20_000);
  t.notOk(last.lost.aborted || other.lost.aborted, 'a lock is held as long as its holder is there');
  await cluster.run(last.release());
  t.equal(await cluster.run(a!.owner('x')), null, 'who gave up does not get it');
  t.ok(last.lost.aborted);
  await t.rejects(a!.acquire(''), { code: 'RONDO_MACHINE_FAILED' });
  await cluster.run(Promise.all([a, b, c].map((locks) => locks!.close())));
  t.ok(other.lost.aborted);
  await cluster.close();
});

t.test(
  'a holder that is cut off knows it before the next one holds; a short change of the ring costs nothing',
  async (t) => {
    const cluster = await createTestCluster(3, { seed: 2 });
    const [a, b] = await cluster.run(Promise.all([1, 2].map((id) => Locks.open(cluster.connectOptions(id)))));
    const lock = await cluster.run(a!.acquire('x'));
    const c = await open(cluster, 3);
    t.notOk(lock.lost.aborted, 'another member joined');
    let lostAtMs = 0;
    lock.lost.addEventListener('abort', () => {
      lostAtMs = cluster.nowMs();
    });
    const next = b!.acquire('x');
    await cluster.settle();
    await cluster.partition([1], [2, 3]);
    const taken = await cluster.run(next);
    t.ok(lost(lock.lost) && lostAtMs < cluster.nowMs(), `lost at ${lostAtMs}, taken at ${cluster.nowMs()}`);
    t.ok(taken.token > lock.token);
    const again = a!.acquire('x');
    await cluster.heal();
    await cluster.run(taken.release());
    t.ok((await cluster.run(again)).token > taken.token, 'who waited while it was cut off gets its turn');
    await cluster.run(Promise.all([a, b, c].map((locks) => locks!.close())));
    await cluster.close();
  },
);

const lost = (signal: AbortSignal): boolean => signal.aborted;

t.test('an election has one leader after the other', async (t) => {
  const cluster = await createTestCluster(3, { seed: 4 });
  const elections = await cluster.run(
    Promise.all([1, 2, 3].map((id) => Election.open({ ...cluster.connectOptions(id), name: 'cron' }))),
  );
  const stop = new AbortController();
  const leading = new Map<number, Term>();
  const terms: bigint[] = [];
  const campaigns = elections.map(async (election, at) => {
    for await (const term of election.terms({ signal: stop.signal })) {
      t.equal(leading.size, 0, 'nobody else leads');
      leading.set(at + 1, term);
      terms.push(term.token);
      const over = AbortSignal.any([term.signal, stop.signal]);
      if (!over.aborted) await new Promise((resolve) => over.addEventListener('abort', resolve, { once: true }));
      leading.delete(at + 1);
    }
  });
  await cluster.settle();
  for (let change = 0; change < 4; change++) {
    const [leader] = [...leading.keys()] as [number];
    t.match(await cluster.run(elections[leader - 1]!.leader()), { nodeId: leader });
    await cluster.partition(
      [leader],
      [1, 2, 3].filter((id) => id !== leader),
    );
    await cluster.advance(6000);
    t.notOk(leading.has(leader));
    t.equal(leading.size, 1);
    await cluster.heal();
    await cluster.advance(1000);
  }
  stop.abort();
  await cluster.run(Promise.all(campaigns));
  t.equal(terms.length, 5);
  t.ok(terms.every((token, at) => at === 0 || token > terms[at - 1]!));
  await cluster.run(Promise.all(elections.map((election) => election.close())));
  await cluster.close();
});

t.test('cuts, pauses and deaths by seeds: never two holders, tokens grow in the order of holding', async (t) => {
  const seeds = Number(process.env['LOCK_SEEDS'] ?? 3);
  for (let seed = 1; seed <= seeds; seed++) {
    const cluster = await createTestCluster(3, { seed });
    const random = seeded(seed * 7919);
    const int = (below: number): number => Math.floor(random() * below);
    const holding = new Map<bigint, { readonly nodeId: number; readonly lost: AbortSignal }>();
    const paused = new Set<string>();
    const problems: string[] = [];
    let highest = 0n;
    let taken = 0;
    let open = true;
    const machines = new Map<number, Locks>();
    const worker = async (nodeId: number): Promise<void> => {
      const locks = await Locks.open({ ...cluster.connectOptions(nodeId), openMs: Number.POSITIVE_INFINITY });
      machines.set(nodeId, locks);
      while (open) {
        const lock = await locks.acquire('x');
        // A program that stalls cannot know: its token keeps it out.
        const others = [...holding.values()].filter(
          (other) => !other.lost.aborted && !paused.has(nodeName(other.nodeId)),
        );
        if (others.length > 0) problems.push(`${nodeId} holds it beside ${others.map((other) => other.nodeId)}`);
        if (lock.token <= highest) problems.push(`token ${lock.token} after ${highest}`);
        highest = lock.token;
        taken++;
        holding.set(lock.token, { nodeId, lost: lock.lost });
        for (let i = 0; i < int(20); i++) await new Promise(setImmediate);
        holding.delete(lock.token);
        await lock.release().catch(() => {});
      }
    };
    const workers = [1, 2, 3].map((nodeId) =>
      worker(nodeId).catch((error) => open && problems.push(`${nodeId}: ${error}`)),
    );
    await cluster.advance(500);
    for (let act = 0; act < 8; act++) {
      await throwFault(cluster, int, paused);
      await cluster.advance(int(4000));
    }
    await wakeAll(cluster, paused);
    await cluster.heal();
    const before = taken;
    await cluster.advance(8000);
    if (taken === before) problems.push(`nobody gets it in the end: ${[...machines.values()].length} members`);
    open = false;
    await cluster.advance(1000);
    await cluster.run(Promise.all([...machines.values()].map((locks) => locks.close())));
    await cluster.run(Promise.all(workers));
    await cluster.close();
    t.same(problems, [], `seed ${seed}, taken ${taken} times`);
  }
});

t.test('asking for a lock or its owner is no error for who was away when that was agreed on', async (t) => {
  const cluster = await createTestCluster(3, { seed: 11 });
  const [mine] = await cluster.run(Promise.all([1, 2, 3].map((id) => Locks.open(cluster.connectOptions(id)))));
  for (let cut = 0; cut < 12; cut++) {
    const acquiring = mine!.acquire('l');
    const owners = Promise.all(Array.from({ length: 10 }, () => mine!.owner('other')));
    for (let turns = 0; turns < cut; turns++) await new Promise(setImmediate);
    await cluster.partition([1], [2, 3]);
    await cluster.heal();
    t.same(new Set(await cluster.run(owners)), new Set([null]));
    const lock = await cluster.run(acquiring);
    await cluster.run(lock.release());
  }
  await cluster.close();
});
