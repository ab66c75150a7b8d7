import t from 'tap';
import { clockOf } from '../../src/client/clock.ts';
import { createTestCluster } from '../../src/testing/index.ts';
import { seeded } from '../services/fake-clock.ts';
import { throwFault, wakeAll } from './fault-dice.ts';
import { Hammer, Record } from './hammer.ts';
import { isLinearizable, REGISTER, type RegisterInput } from './linearizability.ts';

t.setTimeout(300_000);

t.test('the checker knows histories that can and cannot be', async (t) => {
  const write = (value: number): RegisterInput => ({ op: 'write', value });
  const read: RegisterInput = { op: 'read' };
  const call = (input: RegisterInput, output: number | boolean | undefined, began: number, ended: number) => ({
    input,
    output,
    began,
    ended,
  });
  t.ok(isLinearizable(REGISTER, []));
  t.ok(isLinearizable(REGISTER, [call(write(1), true, 1, 2), call(read, 1, 3, 4)]));
  t.notOk(isLinearizable(REGISTER, [call(write(1), true, 1, 2), call(read, 0, 3, 4)]), 'a stale read');
  t.ok(isLinearizable(REGISTER, [call(write(1), true, 1, 5), call(read, 0, 2, 3), call(read, 1, 4, 6)]));
  t.notOk(
    isLinearizable(REGISTER, [call(write(1), true, 1, 9), call(read, 1, 2, 3), call(read, 0, 4, 5)]),
    'back again',
  );
  t.ok(isLinearizable(REGISTER, [call(write(1), undefined, 1, 2), call(read, 0, 3, 4), call(read, 1, 5, 6)]), 'late');
  t.ok(isLinearizable(REGISTER, [call(write(1), undefined, 1, 2), call(read, 0, 3, 4)]), 'never');
  t.notOk(isLinearizable(REGISTER, [call(write(1), true, 1, 2), call({ op: 'swap', from: 0, to: 2 }, true, 3, 4)]));
  const both = [1, 2].map((to) => call({ op: 'swap', from: 0, to }, true, 1, 9));
  t.notOk(isLinearizable(REGISTER, both), 'two cannot both be the first');
});

t.test('registers and a lock of a simulated cluster with faults, by seeds', async (t) => {
  const first = Number(process.env['CHECK_FIRST'] ?? 1);
  const seeds = Number(process.env['CHECK_SEEDS'] ?? 4);
  let known = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const random = seeded(seed * 104_729);
    const int = (below: number): number => Math.floor(random() * below);
    const cluster = await createTestCluster(3, { seed });
    const record = new Record();
    const hammers = cluster.nodeIds.map((id) => {
      const connect = cluster.connectOptions(id);
      // In virtual time: a program on a node that stalls does, too.
      const rest = (): Promise<void> => new Promise((resolve) => void clockOf(connect).setTimer(int(100), resolve));
      return new Hammer(`node ${id}`, connect, record, random, rest, 3000);
    });
    await cluster.run(Promise.all(hammers.map((hammer) => hammer.open())));
    const work = hammers.map((hammer) => hammer.work());
    for (let act = 0; act < 8; act++) {
      await throwFault(cluster, int, record.asleep);
      await cluster.advance(int(3000));
    }
    await wakeAll(cluster, record.asleep);
    await cluster.heal();
    await cluster.advance(2000);
    await cluster.run(Promise.all(hammers.map((hammer) => hammer.stop())));
    await cluster.run(Promise.all(work));
    await cluster.close();
    known += record.known;
    t.same(record.check(), [], `seed ${seed}: ${record.known} calls, the lock was taken ${record.locksTaken} times`);
    t.ok(record.locksTaken > 5);
  }
  t.ok(known > 50 * seeds, `${known} calls`);
});
