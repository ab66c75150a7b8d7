import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { runningInstances } from '../../src/ipc/instances.ts';
import { LoopbackCluster, until } from '../daemon/loopback-cluster.ts';
import { Example } from './example.ts';

t.setTimeout(400_000);

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

t.test('the examples do what they say on a ring of three', async (t) => {
  const cluster = await LoopbackCluster.create(3, 'udpu');
  t.teardown(() => cluster.end());
  for (const index of [0, 1, 2]) cluster.start(index);
  await cluster.members(0, [1, 2, 3]);
  const running: Example[] = [];
  t.teardown(() => Promise.all(running.map((example) => example.end('SIGKILL'))));
  const start = (index: number, name: string, ...args: readonly string[]): Example => {
    const example = new Example(cluster.instance(index), name, ...args);
    running.push(example);
    return example;
  };

  await t.test('chat', async (t) => {
    const alice = start(0, 'chat', 'alice');
    const bob = start(1, 'chat', 'bob');
    await Promise.all([alice.prints(/\* 2 here/), bob.prints(/\* 2 here/)]);
    alice.says('hello');
    await bob.prints(/alice: hello/);
    bob.says('hello, alice');
    await alice.prints(/bob: hello, alice/);
    const lines = ({ output }: Example) => output.split('\n').filter((line) => line.includes(': '));
    t.same(lines(alice), lines(bob), 'the same lines in the same order');
    await Promise.all([alice.end(), bob.end()]);
  });

  await t.test('jobs survive the death of their worker, and a stall of another one', async (t) => {
    const workers = [0, 1, 2].map((index) => start(index, 'jobs', 'work'));
    await Promise.all(workers.map((worker) => worker.prints(/ready/)));
    const texts = Array.from({ length: 12 }, (_, index) => `text${index}`);
    const put = start(0, 'jobs', 'put', ...texts);
    const victim = workers[2]!;
    await victim.prints(/began job/);
    await victim.end('SIGKILL');
    workers[0]!.signal('SIGSTOP'); // for longer than the others wait for it
    await put.done();
    workers[0]!.signal('SIGCONT');
    t.equal(put.count(/job \d+: text/), texts.length);
    const all = (): string => workers.map(({ output }) => output).join('');
    const done = (): Set<string> => new Set([...all().matchAll(/done job (\d+)/g)].map(([, id]) => id!));
    await until(() => done().size === texts.length, `all jobs:\n${all()}`);
    await Promise.all(workers.map((worker) => worker.end()));
  });

  await t.test('cron runs in one program at a time', async (t) => {
    const programs = [0, 1, 2].map((index) => start(index, 'cron', '100'));
    await Promise.all(programs.map((program) => program.prints(/ready/)));
    await until(() => programs.some(({ output }) => output.includes('leading')), 'a leader');
    const [leader] = programs.filter(({ output }) => output.includes('leading'));
    await leader!.prints(/run \d+ of term/, 3);
    t.equal(programs.filter(({ output }) => output.includes('leading')).length, 1);
    await leader!.end('SIGKILL');
    const others = programs.filter((program) => program !== leader);
    await until(() => others.some(({ output }) => output.includes('leading')), 'the next leader');
    const tokens = programs.flatMap(({ output }) =>
      [...output.matchAll(/leading, term (\d+)/g)].map(([, at]) => BigInt(at!)),
    );
    t.ok(tokens.length === 2 && tokens[0] !== tokens[1], `terms ${tokens.join(' ')}`);
    const last = others.find(({ output }) => output.includes('leading'));
    await Promise.all(others.filter((program) => program !== last).map((program) => program.end('SIGKILL')));
    const startedMs = performance.now();
    await last!.end(); // in order, without a majority that could agree on anything
    t.match(last!.output, /term \d+ is over/);
    const tookMs = performance.now() - startedMs;
    t.ok(tookMs < 20_000, `it took ${tookMs} ms to end`);
  });

  await t.test('config is followed everywhere', async (t) => {
    const watchers = [1, 2].map((index) => start(index, 'config', 'watch'));
    await Promise.all(watchers.map((watcher) => watcher.prints(/watching/)));
    const set = start(0, 'config', 'set', 'colour', 'blue');
    await Promise.all(watchers.map((watcher) => watcher.prints(/colour = blue/)));
    await set.done();
    t.match(set.output, /revision \d+/);
    await Promise.all(watchers.map((watcher) => watcher.end()));
  });
});

t.test('an example beside npm start is one command, and each is on another node', async (t) => {
  const demo = spawn(process.execPath, [join(ROOT, 'scripts/start.mjs')], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => demo.kill());
  let shown = '';
  demo.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  const instances = (): string[] => runningInstances().filter((one) => one.startsWith(`rondo-demo-${demo.pid}-`));
  await until(() => instances().length === 3, `three nodes:\n${shown}`);
  const run = (name: string): { text: string; child: ReturnType<typeof spawn> } => {
    const child = spawn(process.execPath, [join(ROOT, 'scripts/example.mjs'), 'chat', name], { stdio: 'pipe' });
    const one = { text: '', child };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        one.text += text;
      });
    t.teardown(() => child.kill());
    return one;
  };
  const alice = run('alice');
  await until(() => alice.text.includes('* 1 here'), `alice:\n${alice.text}`);
  const bob = run('bob');
  await until(() => bob.text.includes('* 2 here'), `bob:\n${bob.text}`);
  const nodeOf = (text: string): string | undefined => /^on (\S+)$/m.exec(text)?.[1];
  t.ok(instances().includes(nodeOf(alice.text) ?? ''), alice.text);
  t.not(nodeOf(alice.text), nodeOf(bob.text));
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/example.mjs'), 'nothing'], {
    encoding: 'utf8',
  });
  t.equal(status, 2);
  t.match(stderr, /one of: .*chat/);
});
