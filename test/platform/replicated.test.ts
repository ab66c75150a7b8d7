import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ArgumentError } from '../../src/client/index.ts';
import {
  Counter as CounterOfAll,
  Election,
  MachineError,
  Replicated,
  type ReplicatedOptions,
  SharedMap,
  StoreError,
} from '../../src/platform/index.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/index.ts';

type Command = { readonly add: number; readonly pad?: string } | { readonly fail: string } | { readonly fill: number };

/** A counter with ballast. */
class Counter {
  total = 0;
  ballast = '';
  calls = 0;
  machine!: Replicated<Command, number>;

  static options(counter: Counter): Pick<ReplicatedOptions<Command, number>, 'apply' | 'snapshot' | 'restore'> {
    return {
      apply: (command) => {
        counter.calls++;
        if ('fail' in command) throw new RangeError(command.fail);
        if ('fill' in command) counter.ballast = 'x'.repeat(command.fill);
        else counter.total += command.add;
        return counter.total;
      },
      snapshot: () => Buffer.from(JSON.stringify([counter.total, counter.ballast])),
      restore: (bytes) => {
        [counter.total, counter.ballast] = JSON.parse(Buffer.from(bytes).toString()) as [number, string];
      },
    };
  }

  static async open(
    cluster: TestCluster,
    nodeId: number,
    more: Partial<ReplicatedOptions<Command, number>> = {},
  ): Promise<Counter> {
    const counter = new Counter();
    const options = { ...cluster.connectOptions(nodeId), name: 'counter', ...Counter.options(counter), ...more };
    counter.machine = await Replicated.open(options);
    return counter;
  }

  add(amount: number, options = {}): Promise<number> {
    return this.machine.submit({ add: amount }, options);
  }
}

const three = async (cluster: TestCluster, more = {}): Promise<[Counter, Counter, Counter]> =>
  (await cluster.run(Promise.all(cluster.nodeIds.map((id) => Counter.open(cluster, id, more))))) as [
    Counter,
    Counter,
    Counter,
  ];

t.setTimeout(120_000);

t.test('commands have one order and results of their own; what apply throws is the result', async (t) => {
  const cluster = await createTestCluster(3);
  const [a, b, c] = await three(cluster);
  const results = await cluster.run(Promise.all([a, b, c].flatMap((x) => [x.add(1), x.add(10), x.add(100)])));
  t.equal(new Set(results).size, 9, 'each saw its own place');
  t.equal(Math.max(...results), 333);
  await t.rejects(cluster.run(a.machine.submit({ fail: 'no' })), new RangeError('no'));
  await cluster.run(Promise.all([b.machine.barrier(), c.machine.barrier()]));
  t.same([a.total, b.total, c.total], [333, 333, 333]);
  const report = await cluster.run(a.machine.check());
  t.same([report.digests.length, report.diverging, report.silent], [3, [], []]);
  b.total = 5;
  const bad = await cluster.run(c.machine.check());
  t.match(bad.diverging, [{ nodeId: 2, life: b.machine.life }], 'the one that differs is named');
  await cluster.run(Promise.all([a, b, c].map(({ machine }) => machine.close())));
  await t.rejects(a.add(1), { code: 'RONDO_MACHINE_CLOSED' });
  await cluster.close();
});

t.test('a part without quorum waits, the other goes on; after the heal all have everything once', async (t) => {
  const cluster = await createTestCluster(3, { seed: 3 });
  const [a, b, c] = await three(cluster);
  await cluster.run(a.add(1));
  const lost: string[] = [];
  a.machine.onStateChange((state) => lost.push(state));
  await cluster.partition([1], [2, 3]);
  t.same(lost, ['waiting']);
  t.match(a.machine.reason, /not quorate/);
  const waiting = a.add(1000);
  const impatient = a.add(50, { timeoutMs: 2000 });
  const aborted = new AbortController();
  const givenUp = a.add(50, { signal: aborted.signal });
  aborted.abort(new Error('enough'));
  await t.rejects(givenUp, /enough/);
  await t.rejects(cluster.run(impatient), /not quorate/);
  t.equal(await cluster.run(b.add(10)), 11);
  t.equal(await cluster.run(c.add(100)), 111);
  t.equal(a.total, 1, 'nothing happens there');
  await cluster.heal();
  t.equal(await cluster.run(waiting), 1111);
  await cluster.run(a.machine.barrier());
  t.equal(a.total, 1111, 'what was given up has no effect');
  t.same(lost.at(-1), 'active');
  await cluster.close();
});

t.test('a joiner takes the state in parts while commands go on', async (t) => {
  const cluster = await createTestCluster(3, { seed: 4 });
  const [a, b] = await cluster.run(Promise.all([Counter.open(cluster, 1), Counter.open(cluster, 2)]));
  await cluster.run(a.machine.submit({ fill: 3_000_000 }));
  let open = true;
  const during: number[] = [];
  const busy = (async () => {
    while (open) during.push(await b.add(1));
  })();
  const c = await cluster.run(Counter.open(cluster, 3));
  open = false;
  await cluster.run(busy);
  t.ok(during.length > 5, `${during.length} commands meanwhile`);
  await cluster.run(c.machine.barrier());
  t.equal(c.ballast.length, 3_000_000);
  t.equal(c.total, a.total);
  t.ok(c.calls < a.calls, 'the state came, not its history');
  await cluster.close();
});

t.test('a node that dies and comes back; one that stalls is left out and comes back', async (t) => {
  const cluster = await createTestCluster(3, { seed: 6 });
  const [a, b, c] = await three(cluster);
  await cluster.run(a.add(1));
  await cluster.kill(3);
  await cluster.run(c.machine.close()); // it died, too
  t.equal(await cluster.run(b.add(1)), 2);
  await cluster.restart(3);
  const again = await cluster.run(Counter.open(cluster, 3));
  t.equal(again.total, 2);
  await cluster.pause(2);
  t.equal(await cluster.run(a.add(1)), 3);
  await cluster.resume(2);
  await cluster.run(b.machine.barrier());
  t.equal(b.total, 3);
  await cluster.kill(2);
  await cluster.restart(2);
  t.equal(await cluster.run(b.add(1)), 4, 'the machine connects again by itself');
  await cluster.close();
});

t.test('all die at once: what was confirmed comes back from disk', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'rondo-machine-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  const store = (nodeId: number) => ({ store: { directory: join(home, String(nodeId)) } });
  let cluster = await createTestCluster(3, { seed: 7 });
  const members = await cluster.run(Promise.all([1, 2, 3].map((id) => Counter.open(cluster, id, store(id)))));
  let confirmed = 0;
  for (let i = 0; i < 20; i++) confirmed = await cluster.run(members[i % 3]!.add(1));
  t.equal(confirmed, 20);
  const second = Counter.open(cluster, 1, { ...store(1), name: 'other' });
  await t.rejects(cluster.run(second), StoreError, 'a directory has one owner');
  await Promise.all(members.map(({ machine }) => machine.close())); // leaves nothing that a SIGKILL would not leave
  writeFileSync(join(home, '1', 'lock'), `${process.ppid}\n`); // its process id is another process's now
  await cluster.close();
  appendFileSync(
    join(home, '1', readdirSync(join(home, '1')).find((name) => name.startsWith('log'))!),
    Buffer.from([40, 0, 0, 0, 1]),
  );
  cluster = await createTestCluster(3, { seed: 8 });
  const again = await cluster.run(Promise.all([1, 2].map((id) => Counter.open(cluster, id, store(id)))));
  t.equal(again[0]!.total + (await cluster.run(again[1]!.add(0))), 40, 'two of three suffice; the torn end is ignored');
  const pad = 'x'.repeat(900_000);
  for (let i = 0; i < 12; i++) await cluster.run(again[0]!.machine.submit({ add: 1, pad }));
  for (let i = 0; i < 5; i++) await cluster.run(again[1]!.add(1));
  await cluster.run(again[0]!.machine.barrier());
  await Promise.all(again.map(({ machine }) => machine.close()));
  await cluster.close();
  const logs = readdirSync(join(home, '2')).filter((name) => name !== 'lock');
  t.equal(logs.length, 1, 'one file besides the lock');
  t.not(logs[0], 'log-0000000000', 'the long log was replaced');
  t.ok(statSync(join(home, '2', logs[0]!)).size < 10_000_000);
  const path = join(home, '2', logs[0]!);
  const bytes = readFileSync(path);
  bytes[20] = bytes[20]! ^ 1;
  writeFileSync(path, bytes);
  cluster = await createTestCluster(1);
  await t.rejects(cluster.run(Counter.open(cluster, 1, store(2))), { code: 'RONDO_STORE_DAMAGED' });
  await cluster.close();
});

t.test('without quorum both parts go on; one state wins, or they are merged', async (t) => {
  for (const merges of [false, true]) {
    const cluster = await createTestCluster(3, { seed: 9 });
    const members: Counter[] = [];
    for (const id of cluster.nodeIds) {
      const counter = new Counter();
      const merge = {
        onMerge: (bytes: Uint8Array) => {
          counter.total += (JSON.parse(Buffer.from(bytes).toString()) as [number])[0];
        },
      };
      const options = { ...cluster.connectOptions(id), name: 'c', quorum: false, ...Counter.options(counter) };
      counter.machine = await cluster.run(Replicated.open({ ...options, ...(merges ? merge : {}) }));
      members.push(counter);
    }
    const [a, b, c] = members as [Counter, Counter, Counter];
    await cluster.partition([1], [2, 3]);
    t.equal(await cluster.run(a.add(1)), 1);
    t.equal(await cluster.run(c.add(10)), 10);
    await cluster.heal();
    await cluster.advance(1000);
    await cluster.run(Promise.all(members.map(({ machine }) => machine.barrier())));
    const expected = merges ? 11 : 10;
    t.same([a.total, b.total, c.total], [expected, expected, expected], merges ? 'merged' : 'the larger part wins');
    await cluster.close();
  }
});

t.test('what fails is reported: by the promise of the end, the states, and watches', async (t) => {
  const cluster = await createTestCluster(1);
  const home = mkdtempSync(join(tmpdir(), 'rondo-ended-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  const shared = { ...cluster.connectOptions(1), name: 'x' };
  const counter = await cluster.run(CounterOfAll.open(shared));
  const election = await cluster.run(Election.open(shared));
  t.same([counter.state, counter.reason, election.state], ['active', '', 'active']);
  await cluster.run(Promise.all([counter.close(), election.close()]));
  t.same(await Promise.all([counter.ended, election.ended]), [null, null]);

  const directory = join(home, 'map');
  const map = await cluster.run(SharedMap.open<number>({ ...shared, store: { directory } }));
  const states: string[] = [];
  map.onStateChange((state) => states.push(state));
  const watching = (async () => {
    for await (const _ of map.watch());
  })();
  watching.catch(() => {});
  await cluster.run(map.set('a', 1));
  const handle = await open(join(home, 'any'), 'w');
  const ofAll = Object.getPrototypeOf(handle) as { write: unknown };
  const { write } = ofAll;
  await handle.close();
  const restore = (): void => void Object.assign(ofAll, { write });
  t.teardown(restore);
  ofAll.write = () => Promise.reject(new Error('EIO: i/o error, write')); // as a disk that fails
  await t.rejects(cluster.run(map.set('a', 2)), { code: 'RONDO_MACHINE_FAILED' });
  restore();
  t.match(await map.ended, { code: 'RONDO_MACHINE_FAILED', message: /EIO/ });
  t.equal(states.at(-1), 'waiting');
  t.match(map.reason, /EIO/);
  await t.rejects(watching, { code: 'RONDO_MACHINE_FAILED' });
  await t.rejects(map.watch().next(), { code: 'RONDO_MACHINE_FAILED' });
  const next = await cluster.run(SharedMap.open<number>({ ...shared, store: { directory } }));
  t.type(next.get('a')?.value, 'number', 'the directory is free for a next life, with what was confirmed');
  await cluster.run(next.close());
  await cluster.close();
});

t.test('refusals', async (t) => {
  const cluster = await createTestCluster(3);
  await t.rejects(Counter.open(cluster, 1, { name: '' }), MachineError);
  await t.rejects(Counter.open(cluster, 1, { openMs: -1 }), ArgumentError);
  const codec = { encode: () => ({ length: 2 ** 28 }) as Uint8Array, decode: () => ({ add: 1 }) };
  const wordy = await cluster.run(Counter.open(cluster, 1, { name: 'wordy', nodesMin: 1, codec }));
  await t.rejects(wordy.add(1), ArgumentError, 'too long to be agreed on');
  await cluster.run(wordy.machine.close());
  await t.rejects(cluster.run(Counter.open(cluster, 1, { openMs: 3000 })), /fewer nodes than needed \(2\)/);
  await t.rejects(Counter.open(cluster, 1, { signal: AbortSignal.abort(new Error('no')) }), /no/);
  const stops = new AbortController();
  const opening = Counter.open(cluster, 1, { signal: stops.signal });
  setTimeout(() => stops.abort(new Error('stop')), 20);
  await t.rejects(opening, /stop/);
  const [a, b] = await cluster.run(Promise.all([Counter.open(cluster, 1), Counter.open(cluster, 2)]));
  await cluster.run(a.add(1));
  await cluster.kill(2);
  const waiting = a.add(1);
  await cluster.run(a.machine.close());
  await t.rejects(waiting, { code: 'RONDO_MACHINE_CLOSED' });
  await cluster.run(b.machine.close());
  await cluster.close();
});
