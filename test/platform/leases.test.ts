import t from 'tap';
import { type Lease, Leases } from '../../src/platform/index.ts';
import { LeaseTable } from '../../src/platform/leases/lease-table.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/index.ts';
import { seeded } from '../services/fake-clock.ts';
import { nodeName, throwFault, wakeAll } from './fault-dice.ts';

t.setTimeout(120_000);

const three = async (cluster: TestCluster): Promise<[Leases, Leases, Leases]> =>
  (await cluster.run(Promise.all(cluster.nodeIds.map((id) => Leases.open(cluster.connectOptions(id)))))) as [
    Leases,
    Leases,
    Leases,
  ];

t.test('a lease ends by itself, unless it is renewed; its holder knows it first', async (t) => {
  const cluster = await createTestCluster(3);
  const [a, b, c] = await three(cluster);
  const lease = await cluster.run(a.acquire('x', { ttlMs: 1000 }));
  t.ok(lease.remainingMs > 900);
  t.equal(await cluster.run(b.tryAcquire('x')), null);
  t.match(await cluster.run(c.owner('x')), { nodeId: 1, pid: process.pid, token: lease.token });
  await cluster.advance(800);
  await cluster.run(lease.renew());
  t.ok(lease.remainingMs > 900, 'from the renewal on');
  await cluster.advance(800);
  t.notOk(lease.expired.aborted);
  t.equal(await cluster.run(b.tryAcquire('x')), null);
  let expiredMs = 0;
  lease.expired.addEventListener('abort', () => {
    expiredMs = cluster.nowMs();
  });
  const next = await cluster.run(b.acquire('x', { ttlMs: 5000 }));
  t.ok(lease.expired.aborted && lease.remainingMs === 0);
  t.ok(cluster.nowMs() - expiredMs >= 200, `${cluster.nowMs() - expiredMs} ms between two holders`);
  t.ok(next.token > lease.token);
  await t.rejects(cluster.run(lease.renew()), { code: 'RONDO_NOT_HELD' });
  await lease.release();
  const waiting = c.acquire('x');
  await t.rejects(cluster.run(a.acquire('x', { timeoutMs: 300 })), { code: 'RONDO_MACHINE_TIMEOUT' });
  await t.rejects(a.acquire('x', { ttlMs: 1 }), { code: 'RONDO_ARGUMENT' });
  await t.rejects(a.acquire('x', { signal: AbortSignal.abort(new Error('no')) }), /no/);
  await cluster.run(next.release());
  t.ok((await cluster.run(waiting)).token > next.token, 'at once when it is given back');
  await cluster.run(Promise.all([a, b, c].map((leases) => leases.close())));
  await t.rejects(a.acquire('x'), { code: 'RONDO_MACHINE_CLOSED' });
  await cluster.close();
});

t.test('those who wait get it in the order of their requests; who died or gave up is passed over', async (t) => {
  const cluster = await createTestCluster(3, { seed: 4 });
  const [a, b, c] = await three(cluster);
  const order: string[] = [];
  const first = await cluster.run(a.acquire('x', { ttlMs: 3_600_000 }));
  const waitFor = async (leases: Leases, name: string): Promise<void> => {
    const lease = await leases.acquire('x', { ttlMs: 3_600_000 });
    order.push(name);
    await lease.release();
  };
  const waiting: Promise<unknown>[] = [];
  const stop = new AbortController();
  const names = ['c1', 'b1', 'b2', 'a1', 'c2', 'a2', 'b3'];
  for (const name of names) {
    waiting.push(waitFor({ a, b, c }[name[0]!]!, name));
    await cluster.settle();
  }
  const gaveUp = t.rejects(b.acquire('x', { signal: stop.signal }), /enough/);
  await cluster.settle();
  stop.abort(new Error('enough'));
  await gaveUp;
  waiting.push(waitFor(a, 'last'));
  await cluster.settle();
  await cluster.run(first.release());
  await cluster.run(Promise.all(waiting));
  t.same(order, [...names, 'last']);

  const again = await cluster.run(a.acquire('x', { ttlMs: 3_600_000 }));
  const dies = b.acquire('x', { ttlMs: 3_600_000 }).catch((error: unknown) => error);
  await cluster.settle();
  const next = c.acquire('x');
  await cluster.settle();
  await cluster.kill(2);
  await cluster.run(again.release());
  t.ok((await cluster.run(next)).token > again.token, 'the one before it is gone');
  const closing = b.close();
  await cluster.run(Promise.all([a.close(), c.close()]));
  await cluster.run(closing);
  t.match(await dies, { code: 'RONDO_MACHINE_CLOSED' });
  await cluster.close();
});

t.test('who does not notice that its turn has come is passed over, and asks anew', async (t) => {
  const cluster = await createTestCluster(3, { seed: 5 });
  const [a, b, c] = await three(cluster);
  const first = await cluster.run(a.acquire('x', { ttlMs: 3_600_000 }));
  const stalls = b.acquire('x', { ttlMs: 3_600_000 });
  await cluster.settle();
  const next = c.acquire('x', { ttlMs: 3_600_000 });
  await cluster.settle();
  const released = first.release();
  await cluster.pause(2); // before or after its turn has come, by the seed
  await cluster.run(released);
  const given = await cluster.run(next);
  await cluster.resume(2);
  await cluster.run(given.release());
  t.ok((await cluster.run(stalls)).token > given.token);
  await cluster.run(Promise.all([a, b, c].map((leases) => leases.close())));
  await cluster.close();
});

t.test('the holder dies, or the one that announces ends does; a short cut takes nothing away', async (t) => {
  const cluster = await createTestCluster(3, { seed: 2 });
  const [a, b, c] = await three(cluster);
  const kept = await cluster.run(b.acquire('kept', { ttlMs: 20_000 }));
  const lease = await cluster.run(a.acquire('x', { ttlMs: 2000 }));
  const startedMs = cluster.nowMs();
  await cluster.partition([1], [2, 3]); // the first member: somebody else has to announce the end
  const next = await cluster.run(c.acquire('x'));
  t.ok(lease.expired.aborted);
  t.ok(cluster.nowMs() - startedMs >= 2000);
  t.ok(cluster.nowMs() - startedMs < 5000, 'not much later than 1.25 times its time');
  t.ok(next.token > lease.token);
  await cluster.heal();
  await cluster.run(kept.renew());
  t.notOk(kept.expired.aborted);
  await cluster.run(Promise.all([a, b, c].map((leases) => leases.close())));
  await cluster.close();
});

t.test('cuts and pauses by seeds: nobody has it while another one believes to', async (t) => {
  for (let seed = 1; seed <= 3; seed++) {
    const cluster = await createTestCluster(3, { seed });
    const random = seeded(seed * 6151);
    const int = (below: number): number => Math.floor(random() * below);
    const all = await three(cluster);
    const paused = new Set<string>();
    const holders = new Map<number, Lease>();
    const problems: string[] = [];
    let highest = 0n;
    let taken = 0;
    let open = true;
    const workers = all.map(async (leases, at) => {
      while (open) {
        const lease = await leases.acquire('x', { ttlMs: 700 });
        for (const [other, { remainingMs }] of holders) {
          if (remainingMs > 0 && !paused.has(nodeName(other))) problems.push(`${at + 1} beside ${other}`);
        }
        if (lease.token <= highest) problems.push('a token does not grow');
        highest = lease.token;
        taken++;
        holders.set(at + 1, lease);
        for (let i = int(6); i > 0 && open && !lease.expired.aborted; i--) {
          await new Promise(setImmediate);
          await lease.renew().catch(() => {});
        }
        if (int(2) === 0) await lease.release();
        holders.delete(at + 1);
      }
    });
    for (let act = 0; act < 8; act++) {
      await throwFault(cluster, int, paused);
      await cluster.advance(int(3000));
    }
    await wakeAll(cluster, paused);
    await cluster.heal();
    const before = taken;
    await cluster.advance(4000);
    t.ok(taken > before, 'it goes on');
    open = false;
    await cluster.advance(2000);
    await cluster.run(Promise.all(all.map((leases) => leases.close())));
    await Promise.all(workers.map((worker) => worker.catch(() => {})));
    await cluster.close();
    t.same(problems, [], `seed ${seed}: taken ${taken} times`);
  }
});

t.test('an end that was announced before a renewal is without effect', async (t) => {
  const table = new LeaseTable();
  const asker = { life: 'a', nodeId: 1, pid: 1 };
  const other = { life: 'b', nodeId: 2, pid: 2 };
  t.equal(table.apply({ op: 'take', name: 'x', request: 1, ttlMs: 10, wait: false }, asker, 5, 5n), '5');
  t.equal(table.apply({ op: 'renew', name: 'x', request: 1, ttlMs: 10 }, asker, 6, 6n), 'renewed');
  table.apply({ op: 'expire', name: 'x', term: 5 }, other, 7, 7n);
  t.match(table.holderOf('x'), { life: 'a', token: '5', term: 6 });
  t.equal(table.apply({ op: 'renew', name: 'x', request: 2, ttlMs: 10 }, asker, 8, 8n), null, 'of an earlier time');
  t.equal(table.apply({ op: 'release', name: 'x', request: 1 }, other, 9, 9n), null);
  table.apply({ op: 'expire', name: 'x', term: 6 }, other, 10, 10n);
  t.equal(table.holderOf('x'), null);
});

t.test('whose turn comes has to ask for it before its time is believed', async (t) => {
  const table = new LeaseTable();
  const [asker, other] = [
    { life: 'a', nodeId: 1, pid: 1 },
    { life: 'b', nodeId: 2, pid: 2 },
  ];
  const take = { op: 'take', name: 'x', ttlMs: 10, wait: true } as const;
  table.apply({ ...take, request: 1 }, asker, 1, 1n);
  t.equal(table.apply({ ...take, request: 1 }, other, 2, 2n), 'waiting');
  t.equal(table.apply({ ...take, request: 2 }, asker, 3, 3n), 'waiting');
  t.equal(table.apply({ ...take, request: 3, wait: false }, asker, 4, 4n), null);
  table.apply({ op: 'release', name: 'x', request: 1 }, asker, 5, 5n);
  t.match(table.holderOf('x'), { life: 'b', request: 1, token: '5', term: 5, confirmed: false });
  t.equal(table.apply({ op: 'renew', name: 'x', request: 1, ttlMs: 10 }, other, 6, 6n), 'renewed');
  t.match(table.holderOf('x'), { token: '5', term: 6, confirmed: true });
  const copy = new LeaseTable();
  copy.load(JSON.parse(JSON.stringify(table.save())));
  t.ok(copy.isWaiting('x', 'a', 2));
  copy.members(new Set(['b']));
  t.notOk(copy.isWaiting('x', 'a', 2));
  copy.apply({ op: 'release', name: 'x', request: 1 }, other, 7, 7n);
  t.equal(copy.holderOf('x'), null);
  table.apply({ op: 'expire', name: 'x', term: 6 }, asker, 7, 7n);
  t.match(table.holderOf('x'), { life: 'a', request: 2, token: '7' });
});
