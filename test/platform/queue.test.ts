import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Queue } from '../../src/platform/index.ts';
import { QueueTable } from '../../src/platform/queue/queue-table.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/index.ts';
import { seeded } from '../services/fake-clock.ts';
import { restOn, throwFault, wakeAll } from './fault-dice.ts';

t.setTimeout(120_000);

const openAll = async (cluster: TestCluster, more = {}): Promise<[Queue<number>, Queue<number>, Queue<number>]> =>
  (await cluster.run(
    Promise.all(cluster.nodeIds.map((id) => Queue.open<number>({ ...cluster.connectOptions(id), name: 'q', ...more }))),
  )) as [Queue<number>, Queue<number>, Queue<number>];

const closeAll = (cluster: TestCluster, queues: readonly Queue<number>[]): Promise<unknown> =>
  cluster.run(Promise.all(queues.map((queue) => queue.close())));

t.test('each job to one worker, in order; rejected ones come first again, and are given up in the end', async (t) => {
  const cluster = await createTestCluster(3);
  const [a, b, c] = await openAll(cluster, { attemptsMax: 2, jobsMax: 4 });
  t.equal(await cluster.run(a.tryTake()), null);
  const early = b.take();
  await cluster.settle();
  const ids = [];
  for (const value of [10, 20, 30]) ids.push(await cluster.run(a.put(value)));
  const first = await cluster.run(early);
  t.match(first, { id: ids[0], value: 10, attempt: 1 });
  const second = await cluster.run(c.take());
  t.equal(second.value, 20);
  t.same(a.counts, { jobs: 3, ready: 1 });
  await cluster.run(first.reject('no'));
  await t.rejects(first.confirm(), { code: 'RONDO_NOT_HELD' });
  const again = await cluster.run(c.take());
  t.match(again, { id: ids[0], value: 10, attempt: 2 }, 'before those that came later');
  await cluster.run(again.reject('never'));
  t.match(await cluster.run(b.dead()), [{ id: ids[0], value: 10, attempts: 2, reason: 'never' }]);
  await cluster.run(second.confirm());
  await cluster.run(Promise.all([1, 2, 3].map((value) => a.put(value))));
  await t.rejects(cluster.run(a.put(4)), { code: 'RONDO_MACHINE_FULL' });
  const seen: number[] = [];
  for await (const job of b.jobs()) {
    seen.push(job.value);
    if (seen.length === 4) break; // the last one stays open, and goes back
    await cluster.run(job.confirm());
  }
  await cluster.settle();
  t.same(seen, [30, 1, 2, 3]);
  t.match(await cluster.run(a.take()), { value: 3, attempt: 1 }, 'it was not tried');
  await t.rejects(cluster.run(b.take({ timeoutMs: 100 })), { code: 'RONDO_MACHINE_TIMEOUT' });
  const stop = new AbortController();
  const stopped = b.take({ signal: stop.signal });
  await cluster.settle();
  stop.abort(new Error('enough'));
  await t.rejects(stopped, /enough/);
  await closeAll(cluster, [a, b, c]);
  await t.rejects(a.take(), { code: 'RONDO_MACHINE_CLOSED' });
  await cluster.close();
});

t.test('a worker whose time is over, that is cut off, or that closes', async (t) => {
  const cluster = await createTestCluster(3, { seed: 2 });
  const [a, b, c] = await openAll(cluster, { visibilityMs: 4000 });
  await cluster.run(a.put(1));
  const slow = await cluster.run(a.take());
  await cluster.advance(3000);
  await cluster.run(slow.extend());
  await cluster.advance(3000);
  t.notOk(slow.lost.aborted);
  const startedMs = cluster.nowMs();
  let lostMs = 0;
  slow.lost.addEventListener('abort', () => {
    lostMs = cluster.nowMs();
  });
  const second = await cluster.run(b.take());
  t.match(second, { value: 1, attempt: 2 });
  t.ok(lostMs > startedMs && lostMs < cluster.nowMs(), 'the first one knew it before');
  await t.rejects(slow.confirm(), { code: 'RONDO_NOT_HELD' });
  await t.rejects(slow.extend(), { code: 'RONDO_NOT_HELD' });
  const next = c.take();
  await cluster.partition([2], [1, 3]);
  const third = await cluster.run(next);
  t.ok(second.lost.aborted);
  t.match(third, { value: 1, attempt: 3 }, 'sooner than after its time');
  const waiting = b.take(); // while it is cut off
  await cluster.settle();
  await cluster.heal();
  await cluster.run(c.close());
  t.match(await cluster.run(waiting), { value: 1, attempt: 3 }, 'at once, and not an attempt');
  await closeAll(cluster, [a, b]);
  await cluster.close();
});

t.test('by seeds: every job is confirmed once, nobody works on one that another worker believes to have', async (t) => {
  for (let seed = 1; seed <= 3; seed++) {
    const cluster = await createTestCluster(3, { seed });
    const random = seeded(seed * 12_289);
    const int = (below: number): number => Math.floor(random() * below);
    const queues = await openAll(cluster, { visibilityMs: 3000, attemptsMax: 100 });
    const paused = new Set<string>();
    const problems: string[] = [];
    const working = new Map<number, AbortSignal>();
    const confirmed: number[] = [];
    const accepted: number[] = [];
    let open = true;
    const workers = queues.map(async (queue, at) => {
      for await (const job of queue.jobs()) {
        if (working.get(job.id)?.aborted === false && paused.size === 0) problems.push(`${job.id} is worked on twice`);
        working.set(job.id, job.lost);
        await restOn(cluster, at + 1, int(200));
        if (int(4) === 0) await job.reject().catch(() => {});
        else
          await job
            .confirm()
            .then(() => confirmed.push(job.id))
            .catch(() => {});
      }
    });
    const putters = queues.map(async (queue, at) => {
      for (let i = 0; open; i++) {
        accepted.push(await queue.put(i, { timeoutMs: Number.POSITIVE_INFINITY }));
        await restOn(cluster, at + 1, int(250));
      }
    });
    for (let act = 0; act < 6; act++) {
      await throwFault(cluster, int, paused);
      await cluster.advance(int(3000));
    }
    await wakeAll(cluster, paused);
    await cluster.heal();
    await cluster.advance(2000);
    open = false;
    await cluster.advance(1000);
    await cluster.run(Promise.all(putters));
    for (let i = 0; i < 40 && queues[0].counts.jobs > 0; i++) await cluster.advance(500);
    t.equal(queues[0].counts.jobs, 0, 'all are done');
    await closeAll(cluster, queues);
    await cluster.run(Promise.all(workers));
    await cluster.close();
    t.same(problems, []);
    t.equal(new Set(confirmed).size, confirmed.length, 'a job is confirmed once');
    t.same(
      confirmed.sort((x, y) => x - y),
      accepted.sort((x, y) => x - y),
      `seed ${seed}: ${accepted.length} jobs`,
    );
  }
});

t.test('jobs survive on disk; those that somebody had are given again', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'rondo-queue-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  const options = { name: 'q', store: { directory: home } };
  let cluster = await createTestCluster(1);
  let queue = await cluster.run(Queue.open<number>({ ...cluster.connectOptions(1), ...options }));
  await cluster.run(Promise.all([7, 8, 9].map((value) => queue.put(value))));
  await cluster.run((await cluster.run(queue.take())).confirm());
  const open = await cluster.run(queue.take());
  t.equal(open.value, 8);
  await cluster.kill(1);
  await cluster.run(queue.close());
  await cluster.close();
  cluster = await createTestCluster(1);
  queue = await cluster.run(Queue.open<number>({ ...cluster.connectOptions(1), ...options }));
  t.equal((await cluster.run(queue.take())).value, 9);
  t.match(await cluster.run(queue.take()), { value: 8, attempt: 2 }, 'after its worker has been away for long enough');
  await cluster.run(queue.close());
  await cluster.close();
});

t.test('an end of the time that was announced before it was prolonged is without effect', async (t) => {
  const table = new QueueTable();
  const value = new Uint8Array(1);
  t.equal(table.apply({ op: 'put', value, jobsMax: 9 }, 'p', 1), 1);
  const take = { op: 'take', wait: false, visibilityMs: 10, attemptsMax: 2 } as const;
  t.equal(table.apply({ ...take, request: 1 }, 'w', 2), 1);
  t.equal(table.apply({ op: 'extend', request: 1, visibilityMs: 10 }, 'w', 3), 1);
  table.apply({ op: 'overdue', id: 1, term: 2 }, 'x', 4);
  t.match(table.held('w', 1), { id: 1, attempts: 1 });
  table.apply({ op: 'overdue', id: 1, term: 3 }, 'x', 5);
  t.equal(table.held('w', 1), null);
  t.equal(table.apply({ op: 'confirm', request: 1 }, 'w', 6), 0, 'too late');
  t.equal(table.apply({ ...take, request: 2 }, 'w', 7), 1);
  table.members(new Set(['x']), 8);
  t.same(table.absent, [['w', 8]]);
  table.members(new Set(['x', 'w']), 9);
  table.apply({ op: 'expire', life: 'w', since: 8 }, 'x', 10);
  t.equal(table.held('w', 2)?.id, 1, 'it came back before its time was over');
  table.members(new Set(['x']), 11);
  table.apply({ op: 'expire', life: 'w', since: 11 }, 'x', 12);
  t.match(table.deadJobs, [{ id: 1, attempts: 2, reason: 'its worker died' }]);
  const copy = new QueueTable();
  copy.load(structuredClone(table.save()));
  t.same(copy.save(), table.save());
});
