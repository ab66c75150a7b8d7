import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { LoopbackCluster, READY_MS, until } from '../daemon/loopback-cluster.ts';
import { Example } from './example.ts';
import { Postgres, postgresUnavailable } from './postgres.ts';

t.setTimeout(400_000);

const PUTS = 6;

t.test('a cache in front of PostgreSQL that all share', { skip: postgresUnavailable() }, async (t) => {
  const database = new Postgres();
  t.teardown(() => database.remove());
  await database.start();
  const cluster = await LoopbackCluster.create(3, 'udpu');
  t.teardown(() => cluster.end());
  for (const index of [0, 1, 2]) cluster.start(index);
  await cluster.members(0, [1, 2, 3]);
  const programs = [0, 1, 2].map((index) => new Example(cluster.instance(index), 'cache', database.url));
  t.teardown(() => Promise.all(programs.map((program) => program.end('SIGKILL'))));
  await Promise.all(programs.map((program) => program.prints(/ready/)));
  const [one, two, three] = programs as [Example, Example, Example];
  /** The command's result: one line. */
  const ask = async (program: Example, command: string): Promise<string> => {
    const lines = (): string[] => program.output.split('\n').slice(0, -1);
    const before = lines().length;
    program.says(command);
    await until(() => lines().length > before, `${command} in:\n${program.output}`);
    return lines()[before]!;
  };

  await t.test('what one has read is there for all, until it is written through any of them', async (t) => {
    t.equal(await ask(one, 'put colour light blue'), 'colour := light blue');
    t.equal(await ask(two, 'fresh colour'), 'colour = light blue (database)');
    t.equal(await ask(two, 'get colour'), 'colour = light blue (cache)');
    t.equal(await ask(three, 'fresh colour'), 'colour = light blue (cache)');
    database.query("update example_items set value = 'red'"); // behind the back of the cache
    t.equal(await ask(one, 'fresh colour'), 'colour = light blue (cache)');
    t.equal(await ask(three, 'put colour green'), 'colour := green');
    t.equal(await ask(one, 'fresh colour'), 'colour = green (database)');
    t.equal(await ask(one, "put it's it's; drop table example_items"), "it's := it's; drop table example_items");
    t.equal(database.query("select value from example_items where key = 'it''s'"), "it's; drop table example_items");
  });

  await t.test('while one writes, the others never see a row that was replaced before what they saw', async (t) => {
    const seen = [two, three].map(() => [] as number[]);
    let writing = true;
    const reading = [two, three].map(async (program, index) => {
      while (writing) {
        const [, value = '0'] = /= (\d+)/.exec(await ask(program, 'get number')) ?? [];
        seen[index]!.push(Number(value));
      }
    });
    for (let number = 1; number <= PUTS; number++) {
      await ask(one, `put number ${number}`);
      const [, value] = /= (\d+)/.exec(await ask(one, 'fresh number')) ?? [];
      t.equal(Number(value), number, 'a confirmed put is seen');
    }
    writing = false;
    await Promise.all(reading);
    for (const values of seen)
      t.same(
        values,
        [...values].sort((a, b) => a - b),
        'in order',
      );
    t.equal(await ask(two, 'fresh number'), `number = ${PUTS} (cache)`);
  });

  await t.test('a writer that dies in the middle leaves no row that is old for ever', async (t) => {
    t.match(await ask(two, 'fresh colour'), /green/);
    const blocker = database.session('begin; lock table example_items in share mode;'); // reads go on, puts wait
    await waitFor(async () => database.query("select count(*) from pg_locks where mode = 'ShareLock'") !== '0');
    one.says('put colour of a dead program');
    await waitFor(async () => (await ask(two, 'fresh colour')) === 'colour = green (database)');
    await one.end('SIGKILL');
    blocker.kill('SIGKILL');
    const startedMs = performance.now();
    await waitFor(async () => (await ask(two, 'fresh colour')).endsWith('(cache)'));
    t.ok(performance.now() - startedMs > 5_000, 'not before the time of the put is over');
    const row = database.query("select value from example_items where key = 'colour'");
    t.equal(await ask(three, 'fresh colour'), `colour = ${row} (cache)`);
  });

  await t.test('without a majority the database is asked', async (t) => {
    t.match(await ask(two, 'get number'), /\(cache\)$/);
    for (const index of [0, 2]) cluster.daemons[index]!.kill();
    await waitFor(async () => (await ask(two, 'get number')).endsWith('(database)'));
    t.match(await ask(two, 'fresh number'), /failed/, 'and what is fresh cannot be known');
  });
});

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + READY_MS;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${READY_MS} ms for ${condition}`);
    await delay(50);
  }
}
