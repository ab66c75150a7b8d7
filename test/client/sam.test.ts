import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type QuorumWatch, supervise } from '../../src/client/sam/monitor.ts';
import { MonitorCore, type SamPolicy } from '../../src/client/sam/monitor-core.ts';
import { Sam } from '../../src/client/sam/sam.ts';

const POLICY: SamPolicy = { recovery: 'restart', quorum: false, cmap: false, intervalMs: 1000 };

function core(policy: Partial<SamPolicy> = {}, quorate = true) {
  const said: string[] = [];
  const monitor = new MonitorCore({ ...POLICY, ...policy }, quorate, {
    reply: () => said.push('reply'),
    sendWarnSignal: () => said.push('warn'),
    killChild: () => said.push('kill'),
    setState: (state) => said.push(state),
    touch: () => said.push('touch'),
  });
  const take = (): string[] => said.splice(0);
  return { monitor, take };
}

t.test('the monitor', async (t) => {
  t.test('silence: a warning first, then the end', async (t) => {
    const { monitor, take } = core();
    t.equal(monitor.timeoutMs, null, 'not before it started');
    monitor.timeout();
    monitor.command('start');
    t.equal(monitor.timeoutMs, 1000);
    monitor.timeout();
    monitor.command('heartbeat');
    monitor.timeout();
    t.same(take(), ['reply', 'warn', 'kill']);
    t.equal(monitor.childGone(), 'restart');
  });

  t.test('a child that ends', async (t) => {
    t.equal(core().monitor.childGone(), 'quit', 'before it started');
    const stopped = core();
    stopped.monitor.command('start');
    stopped.monitor.command('stop');
    t.equal(stopped.monitor.childGone(), 'quit');
    const running = core({ recovery: 'quit', cmap: true });
    running.monitor.command('start');
    t.equal(running.monitor.childGone(), 'failed');
    t.same(running.take(), ['touch', 'running', 'reply', 'failed']);
    t.equal(core({ intervalMs: 0 }).monitor.timeoutMs, null);
  });

  t.test('a child that gives up', async (t) => {
    const { monitor, take } = core({ cmap: true });
    monitor.command('markFailed');
    t.equal(monitor.childGone(), 'failed', 'not restarted, whatever the policy');
    t.same(take(), ['touch', 'kill', 'failed']);
  });

  t.test('quorum', async (t) => {
    const { monitor, take } = core({ quorum: true, cmap: true }, false);
    monitor.command('start');
    t.same(take(), ['touch', 'waiting for quorum']);
    monitor.quorum(true);
    t.same(take(), ['running', 'reply']);
    monitor.quorum(false);
    t.same(take(), ['warn']);
    monitor.timeout();
    t.same(take(), ['kill']);
    const waiting = core({ quorum: true }, false);
    waiting.monitor.command('start');
    t.equal(waiting.monitor.childGone(), 'quit', 'gone while it waited');
  });
});

class Keys {
  readonly values = new Map<string, string>();
  readonly states: string[] = [];
  closed = false;
  async set(key: string, type: string, value: unknown): Promise<void> {
    if (key.endsWith('.state')) this.states.push(String(value));
    this.values.set(key.replace(/\.\d+\./, '.PID.'), `${type} ${key.endsWith('last_updated') ? '…' : String(value)}`);
  }
  async delete(key: string): Promise<void> {
    this.values.delete(key.replace(/\.\d+\./, '.PID.'));
  }
  close(): void {
    this.closed = true;
  }
}

class FakeQuorum implements QuorumWatch {
  quorate = false;
  private listener: (quorate: boolean) => void = () => {};
  onChange(callback: (quorate: boolean) => void): void {
    this.listener = callback;
  }
  set(quorate: boolean): void {
    this.quorate = quorate;
    this.listener(quorate);
  }
  close(): void {}
}

const CHILD = fileURLToPath(new URL('./sam-child.js', import.meta.url));
const run = (plan: string, keys: Keys, policy: Partial<SamPolicy> = {}, quorum = new FakeQuorum()) =>
  supervise(CHILD, [plan], {
    ...POLICY,
    cmap: true,
    intervalMs: 2000,
    ...policy,
    openKeys: async () => keys,
    openQuorum: async () => quorum,
    execArgv: [],
  });

t.test('real processes', async (t) => {
  t.setTimeout(170_000); // a dozen starts of Node, on whatever machine
  t.test('a program that ends without being started', async (t) => {
    const keys = new Keys();
    t.equal(await run('quit', keys), 0);
    t.same([...keys.values], [], 'no key stays');
    t.ok(keys.closed);
  });

  t.test('restarts keep the stored data', async (t) => {
    const keys = new Keys();
    t.equal(await run('restart', keys), 42);
    t.same(keys.states.filter((state) => state === 'running').length, 3);
    t.equal(keys.states.at(-1), 'stopped');
  });

  t.test('a hanging program is warned, killed, and started again', async (t) => {
    const keys = new Keys();
    t.equal(await run('hang', keys), 0);
    t.same(keys.states, ['stopped', 'stopped', 'running', 'stopped']);
  });

  t.test('a health check that fails', async (t) => {
    t.equal(await run('sick', new Keys()), 0);
  });

  t.test('mark failed', async (t) => {
    const keys = new Keys();
    t.equal(await run('failed', keys), 1);
    t.same(Object.fromEntries(keys.values), {
      'resources.process.PID.recovery': 'str restart',
      'resources.process.PID.poll_period': 'u64 2000',
      'resources.process.PID.last_updated': 'u64 …',
      'resources.process.PID.state': 'str failed',
    });
  });

  t.test('waits for quorum', async (t) => {
    const keys = new Keys();
    const quorum = new FakeQuorum();
    setTimeout(() => quorum.set(true), 700);
    t.equal(await run('quorum', keys, { quorum: true }, quorum), 0);
    t.equal(keys.states.indexOf('waiting for quorum') < keys.states.indexOf('running'), true);
  });
});

t.test('calls in the wrong state', async (t) => {
  const sam = Sam.initialize(POLICY);
  await t.rejects(sam.start(), { message: /BAD_HANDLE/ });
  await t.rejects(sam.stop(), { message: /BAD_HANDLE/ });
  t.throws(() => sam.heartbeat(), { message: /BAD_HANDLE/ });
  t.throws(() => sam.onHealthCheck(() => true), { message: /BAD_HANDLE/ });
  t.throws(() => sam.markFailed(), { message: /BAD_HANDLE/ });
  t.same(sam.restoreData(), new Uint8Array(0));
  await sam.storeData(Uint8Array.of(1, 2));
  t.same(sam.restoreData(), Uint8Array.of(1, 2));
  await sam.finalize();
  await t.rejects(sam.finalize(), { message: /BAD_HANDLE/ });
  t.throws(() => sam.restoreData(), { message: /BAD_HANDLE/ });
  t.throws(() => Sam.initialize({ ...POLICY, intervalMs: -1 }), { message: /INVALID_PARAM/ });
});

t.test('wrong arguments are refused', async (t) => {
  const wrong: Record<string, unknown>[] = [
    { recovery: 'reboot' },
    { recovery: undefined },
    { quorum: 1 },
    { cmap: 'no' },
  ];
  for (const part of wrong) {
    t.throws(
      () => Sam.initialize({ ...POLICY, ...part } as unknown as SamPolicy),
      { code: 'RONDO_ARGUMENT' },
      JSON.stringify(part),
    );
  }
  const sam = Sam.initialize(POLICY);
  for (const data of [5, null, { length: 3 }, [1, 2]]) {
    await t.rejects(sam.storeData(data as unknown as string), { code: 'RONDO_ARGUMENT' }, JSON.stringify(data));
  }
  await sam.storeData('text');
});
