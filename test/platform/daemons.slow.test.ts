import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { LoopbackCluster } from '../daemon/loopback-cluster.ts';
import { seeded } from '../services/fake-clock.ts';
import { Hammer, Record } from './hammer.ts';

/** Seconds of faults; ten minutes by `RONDO_CHECK_SECONDS=600`. */
const SECONDS = Number(process.env['RONDO_CHECK_SECONDS'] ?? 20);
const SEED = Number(process.env['RONDO_CHECK_SEED'] ?? 1);

t.setTimeout(SECONDS * 1000 + 240_000);

t.test('registers and a lock on three daemons that are killed, stopped and started', async (t) => {
  const random = seeded(SEED);
  const int = (below: number): number => Math.floor(random() * below);
  const cluster = await LoopbackCluster.create(3, 'udpu');
  t.teardown(() => cluster.end());
  for (const at of [0, 1, 2]) cluster.start(at);
  const record = new Record();
  const rest = (): Promise<void> => delay(5);
  const hammers = [0, 1, 2].map((at) => new Hammer(`node ${at + 1}`, cluster.options(at), record, random, rest, 5000));
  await Promise.all(hammers.map((hammer) => hammer.open()));
  const work = hammers.map((hammer) => hammer.work());
  const until = performance.now() + SECONDS * 1000;
  let faults = 0;
  while (performance.now() < until) {
    await delay(500 + int(1500));
    const daemon = cluster.daemons[int(3)]!;
    const { pid } = daemon;
    faults++;
    if (int(2) === 0 || pid === null) {
      daemon.kill();
      await daemon.gone(5000);
      await delay(int(2500));
      daemon.start();
    } else {
      // Shorter and longer than the token timeout.
      process.kill(pid, 'SIGSTOP');
      await delay(int(3000));
      process.kill(pid, 'SIGCONT');
    }
    await delay(2000 + int(2000));
  }
  const before = record.known;
  for (let waited = 0; record.known < before + 20 && waited < 60_000; waited += 100) await delay(100);
  t.ok(record.known >= before + 20, 'all works again');
  await Promise.all(hammers.map((hammer) => hammer.stop()));
  await Promise.all(work);
  t.same(record.check(), [], `${faults} faults, ${record.known} calls, the lock was taken ${record.locksTaken} times`);
  t.ok(record.locksTaken > SECONDS / 4, `${record.locksTaken} holders`);
});
