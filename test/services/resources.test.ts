import t from 'tap';
import { MonEngine } from '../../src/services/mon/engine.ts';
import { usedPercent } from '../../src/services/mon/sampler.ts';
import { PLOAD_MAGIC, PloadEngine } from '../../src/services/pload/engine.ts';
import { WatchdogEngine } from '../../src/services/wd/engine.ts';
import { configured, FakeNode } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

const MS = 1_000_000n;

async function setUp(settings: Record<string, string | number | bigint>) {
  const ring = new FakeRing();
  const node = new FakeNode({ nodeId: 1, clock: ring.clock, cmap: configured(settings), full: ring.full });
  const done: string[] = [];
  const sample = { load: 0.5, memory: 40 };
  const monotonicNs = () => BigInt(Math.round(ring.clock.nowMs())) * MS;
  const device = { timeoutSec: 0, tickles: 0, closed: false };
  await node.load(
    new PloadEngine({ exit: (code) => done.push(`exit ${code}`) }),
    new MonEngine({
      sampler: { load15: () => sample.load, memoryUsedPercent: () => sample.memory },
      monotonicNs,
    }),
    new WatchdogEngine({
      open: (path) => {
        if (path !== '/dev/watchdog') throw new Error('no such device');
        return {
          setTimeout: (timeoutSec) => {
            device.timeoutSec = timeoutSec;
            return true;
          },
          tickle: () => device.tickles++,
          close: () => {
            device.closed = true;
          },
        };
      },
      monotonicNs,
      reboot: () => done.push('reboot'),
      powerOff: () => done.push('power off'),
    }),
  );
  ring.add(node);
  ring.partition([1]);
  ring.settle();
  return { ring, node, cmap: node.cmap, done, sample, device, monotonicNs };
}

t.test('keys and log lines of a node with nothing configured', async (t) => {
  const { node, cmap } = await setUp({});
  t.equal(cmap.getDouble('resources.system.load_15min.current'), 0);
  t.equal(cmap.getI32('resources.system.memory_used.current'), 0);
  t.equal(cmap.getU64('resources.system.memory_used.last_updated'), 0n);
  t.equal(cmap.getU64('resources.system.memory_used.poll_period'), 3000n);
  t.equal(cmap.getString('resources.system.memory_used.state'), 'stopped');
  t.equal(cmap.getU32('resources.watchdog_timeout'), 6);
  for (const line of [
    'warning WD Watchdog not enabled by configuration',
    'warning WD resource load_15min missing a recovery key.',
    'warning WD resource memory_used missing a recovery key.',
    'info WD no resources configured.',
  ])
    t.ok(node.logs.includes(line), line);
});

t.test('monitoring', async (t) => {
  const { ring, cmap, sample } = await setUp({ 'resources.system.load_15min.max': '1.5' });
  t.equal(cmap.getString('resources.system.load_15min.state'), 'running');
  t.equal(cmap.getDouble('resources.system.load_15min.current'), 0.5);
  sample.load = 1.6;
  ring.advance(3000);
  t.equal(cmap.getString('resources.system.load_15min.state'), 'failed');
  sample.load = 0.1;
  ring.advance(3000);
  t.equal(cmap.getDouble('resources.system.load_15min.current'), 0.1);
  t.equal(cmap.getString('resources.system.load_15min.state'), 'failed', 'until the limit changes');
  cmap.setString('resources.system.load_15min.max', '2');
  t.equal(cmap.getString('resources.system.load_15min.state'), 'running');
  cmap.setString('resources.system.memory_used.max', '90');
  t.equal(cmap.getU32('resources.system.memory_used.current'), 40);
  cmap.delete('resources.system.memory_used.max');
  t.equal(cmap.getString('resources.system.memory_used.state'), 'stopped');
  t.equal(usedPercent('MemTotal: 1000 kB\nMemAvailable:  250 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n'), 75);
  t.equal(usedPercent(''), 0);
});

t.test('the watchdog device', async (t) => {
  const { ring, node, cmap, device } = await setUp({
    'resources.watchdog_device': '/dev/watchdog',
    'resources.watchdog_timeout': 10,
  });
  t.match(device, { timeoutSec: 10, tickles: 1 });
  ring.advance(10_000);
  t.equal(device.tickles, 3, 'every half of its time');
  cmap.setU32('resources.watchdog_timeout', 4);
  t.equal(device.timeoutSec, 4);
  cmap.setU32('resources.watchdog_timeout', 1);
  t.equal(cmap.getU32('resources.watchdog_timeout'), 4, 'out of range');
  await node.host.unloadAll();
  t.ok(device.closed);
  const none = await setUp({ 'resources.watchdog_device': '/dev/none' });
  t.ok(none.node.logged('Watchdog /dev/none not accessible: no such device'));
});

t.test('numbers of 64 bits are logged exactly', async (t) => {
  const { node, cmap } = await setUp({});
  const huge = 2n ** 64n - 1n;
  cmap.setU64('resources.system.memory_used.poll_period', huge);
  t.ok(node.logged(`poll period ${huge} of resources.system.memory_used. is invalid`));
  cmap.setString('resources.process.77.recovery', 'quit');
  cmap.setU64('resources.process.77.poll_period', huge);
  cmap.setString('resources.process.77.state', 'running');
  t.ok(node.logged(`poll_period ${huge} of resource 77 is invalid`), node.logs.join('\n'));
});

t.test('watched processes', async (t) => {
  const { ring, cmap, device, done, monotonicNs } = await setUp({ 'resources.watchdog_device': '/dev/watchdog' });
  const path = 'resources.process.77.';
  cmap.setString(`${path}recovery`, 'quit');
  cmap.setU64(`${path}poll_period`, 1000);
  cmap.setU64(`${path}last_updated`, monotonicNs());
  cmap.setString(`${path}state`, 'running');
  for (let i = 0; i < 20; i++) {
    ring.advance(500);
    cmap.setU64(`${path}last_updated`, monotonicNs());
  }
  const { tickles } = device;
  ring.advance(3000);
  t.ok(device.tickles > tickles, 'all is well');
  ring.advance(6000);
  const silent = device.tickles;
  ring.advance(20_000);
  t.equal(device.tickles, silent, 'nobody updates: the watchdog bites');
  t.same(done, []);

  const other = await setUp({});
  const reboot = 'resources.process.78.';
  other.cmap.setString(`${reboot}state`, 'running');
  other.cmap.setString(`${reboot}recovery`, 'reboot');
  other.ring.advance(60_000);
  t.same(other.done, ['reboot'], 'last_updated is missing');

  const stopped = await setUp({});
  stopped.cmap.setString(`${reboot}recovery`, 'shutdown');
  stopped.cmap.setString(`${reboot}state`, 'stopped');
  stopped.ring.advance(60_000);
  t.same(stopped.done, []);
  stopped.cmap.setString(`${reboot}state`, 'running');
  stopped.cmap.delete(`${reboot}state`);
  stopped.ring.advance(60_000);
  t.same(stopped.done, [], 'deleted');
  t.notOk(stopped.cmap.has(`${reboot}poll_period`), 'what the watchdog wrote goes with the resource');
  stopped.cmap.setU64(`${reboot}poll_period`, 1000);
  stopped.cmap.setString(`${reboot}state`, 'stopped');
  stopped.cmap.delete(`${reboot}state`);
  t.ok(stopped.cmap.has(`${reboot}poll_period`), 'what others wrote stays');
});

t.test('load generator', async (t) => {
  const { ring, cmap, done, node } = await setUp({});
  cmap.setU32('pload.count', 1200);
  cmap.setU32('pload.size', 64);
  cmap.setString('pload.start', 'go');
  ring.advance(100);
  t.same(done, []);
  cmap.setString('pload.start', PLOAD_MAGIC);
  ring.advance(100);
  t.same(done, ['exit 99']);
  t.equal(cmap.getU64('runtime.services.pload.1.rx'), 1200n);
  t.ok(node.logged('1200 Writes 64 bytes per write'));
  t.ok(node.logged('Starting pload!'));
  t.ok(node.logged('Stopping corosync the hard way'));
});
