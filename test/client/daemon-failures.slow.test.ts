import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import t from 'tap';
import { Cfg, Cmap, type ConnectionError, Cpg, Quorum } from '../../src/client/index.ts';
import { LoopbackCluster } from '../daemon/loopback-cluster.ts';

t.setTimeout(200_000);

/** One daemon for all; the last tests stop and kill it. */
const cluster = await LoopbackCluster.create(1, 'udpu');
t.teardown(() => cluster.end());
cluster.start(0);
await (await Quorum.connect(cluster.options(0))).close();
const instance = cluster.instance(0);
const daemonPid = (): number => cluster.daemons[0]!.pid!;

/** A signal takes effect when every thread has seen it. */
async function stopDaemon(): Promise<void> {
  process.kill(daemonPid(), 'SIGSTOP');
  const state = (): string => readFileSync(`/proc/${daemonPid()}/stat`, 'utf8').replace(/^.*\) (\w).*$/s, '$1');
  while (state() !== 'T') await delay(5);
  await delay(50);
}

async function failure(promise: Promise<unknown>): Promise<ConnectionError> {
  const started = performance.now();
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  t.ok(performance.now() - started < 10_000, 'in bounded time');
  return error as ConnectionError;
}

t.test('a plain loop of sends: timers run, and what is sent comes back meanwhile', async (t) => {
  const cpg = await Cpg.connect({ instance });
  await cpg.join('loop');
  let ticks = 0;
  let received = 0;
  const timer = setInterval(() => ticks++, 10);
  const stop = performance.now() + 1000;
  const reader = (async () => {
    for await (const event of cpg.events()) if (event.type === 'message') received++;
  })();
  let sent = 0;
  for (; performance.now() < stop; sent++) await cpg.send('x');
  const meanwhile = received;
  clearInterval(timer);
  t.ok(ticks >= 10, `${ticks} of 100 ticks`);
  t.ok(meanwhile > 0, `${meanwhile} of ${sent} received meanwhile`);
  t.comment(`${sent} sent, ${meanwhile} received meanwhile, ${ticks} of 100 ticks`);
  await cpg.close();
  await reader;
});

t.test('who is not there: the hint names what runs, and no NUL is in the error', async (t) => {
  const error = await failure(Cmap.connect({ instance: 'nobody', waitReadyMs: 50 }));
  t.equal(error.code, 'RONDO_NOT_RUNNING');
  t.match(error.message, /waited 50 ms/);
  t.match(error.hint, instance);
  t.notMatch(inspect(error), /\0|\\x00|\\u0000/);
});

t.test('a second process in the group, watches of one connection, shutdown after a loop that was left', async (t) => {
  const quorum = await Quorum.connect({ instance });
  const first = await quorum.watch();
  await first.next();
  const second = await quorum.watch();
  t.match((await second.next()).value, { members: [1] });
  await quorum.close();

  const listener = await Cfg.connect({ instance });
  const requests = await listener.shutdownRequests();
  await requests.return?.();
  const cmap = await Cmap.connect({ instance });
  await cmap.set('test.float', 'flt', 1);
  await t.rejects(cmap.adjust('test.float', 1), { code: 'RONDO_CS_INVALID_PARAM', hint: /no integer/ });
  await cmap.close();
  await listener.close();
});

t.test('a daemon that is stopped: connecting, calls and close end by signals and limits', async (t) => {
  const cpg = await Cpg.connect({ instance, timeoutMs: 500 });
  await cpg.join('stopped');
  await stopDaemon();
  try {
    t.equal((await failure(cpg.members('stopped'))).code, 'RONDO_TIMEOUT');
    const reason = new Error('enough');
    const signal = AbortSignal.timeout(200);
    t.equal((await failure(Cmap.connect({ instance, signal }))).name, 'TimeoutError');
    const limited = await failure(Cmap.connect({ instance, timeoutMs: 200 }));
    t.match(limited, { code: 'RONDO_TIMEOUT', message: /within 200 ms\. It is stopped/ });
    t.equal((await failure(Cmap.connect({ instance, waitReadyMs: 100 }))).code, 'RONDO_TIMEOUT');
    const big = new Uint8Array(900_000);
    const abort = new AbortController();
    const waits = [cpg.send(big), cpg.send(big, { signal: abort.signal }), cpg.send(big)];
    for (const send of waits) send.catch(() => {});
    abort.abort(reason);
    t.equal(await failure(waits[1]!), reason);
    await failure(cpg.close({ timeoutMs: 200 }).then(() => Promise.reject(new Error('closed'))));
    t.ok(cpg.closed);
  } finally {
    process.kill(daemonPid(), 'SIGCONT');
  }
});

t.test('a daemon that is killed: calls on their way are connection errors that say so', async (t) => {
  const clients = await Promise.all(Array.from({ length: 4 }, () => Cmap.connect({ instance })));
  const cpg = await Cpg.connect({ instance });
  await cpg.join('killed');
  const loop = failure(
    (async () => {
      for await (const _ of cpg.events());
    })(),
  );
  await stopDaemon();
  const calls = clients.map((cmap) => failure(cmap.get('totem.version')));
  await delay(50);
  process.kill(daemonPid(), 'SIGKILL');
  for (const error of [...(await Promise.all(calls)), await loop]) {
    t.match(error, {
      name: 'ConnectionError',
      code: 'RONDO_DISCONNECTED',
      message: /the daemon \(pid \d+\) ended\. Connect/,
    });
    t.notMatch(inspect(error), /\0/);
  }
  for (const cmap of clients) await cmap.close();
});
