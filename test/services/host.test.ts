import t from 'tap';
import { CsError } from '../../src/lib/errors.ts';
import { packetsForRequest } from '../../src/lib/packet-charge.ts';
import { messageError } from '../../src/services/codec/struct.ts';
import type { MainEngineContext, ServiceEngine } from '../../src/services/engine.ts';
import { judge } from '../../src/services/host/admission.ts';
import { flowState, QueueLevel, queueLevel } from '../../src/services/host/flow-control.ts';
import { configured, FakeNode } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

/** An engine that echoes, and throws wherever the test wants it. */
function echoEngine(trouble: { at: string | null }, seen: string[] = []) {
  const step = (name: string): void => {
    seen.push(name);
    if (trouble.at === name) throw new Error(`trouble in ${name}`);
  };
  const engine: ServiceEngine<MainEngineContext> = {
    serviceId: 20,
    name: 'echo',
    description: 'echo',
    unloadPriority: 3,
    allowInquorate: true,
    calls: { echo: { id: 0, flowControl: true, requestBytesMin: 16 } },
    messages: ['echo'],
    takesPartInSync: true,
    start: (context) => {
      context.track('echo.key', 7, () => step('track'));
      context.setTimer(500, () => step('timer'));
      return {
        calls: {
          echo: (connection, request) => {
            step('request');
            const response = new Uint8Array(24);
            response[16] = CsError.OK;
            connection.respond(response);
            context.trySend(0, new Uint8Array(request.length));
          },
        },
        messages: { echo: () => step('deliver') },
        sync: {
          init: () => step('init'),
          process: () => {
            step('process');
            return true;
          },
          activate: () => step('activate'),
          abort: () => step('abort'),
        },
        configurationChange: () => step('change'),
        connectionOpened: () => step('opened'),
        connectionClosed: () => step('closed'),
        dump: () => 'echo is fine',
      };
    },
  };
  return engine;
}

async function cluster(troubles: { at: string | null }[]) {
  const ring = new FakeRing();
  const nodes: FakeNode[] = [];
  for (const [at, trouble] of troubles.entries()) {
    const node = new FakeNode({ nodeId: at + 1, clock: ring.clock, cmap: configured({}), full: ring.full });
    await node.load(echoEngine(trouble));
    ring.add(node);
    nodes.push(node);
  }
  const form = (): void => {
    ring.partition(nodes.map((node) => node.nodeId));
    ring.settle();
  };
  return { ring, nodes, form };
}

t.test('an engine that fails anywhere stops alone', async (t) => {
  for (const place of [
    'init',
    'process',
    'activate',
    'deliver',
    'change',
    'timer',
    'track',
    'request',
    'opened',
    'closed',
  ]) {
    const trouble = { at: null as string | null };
    const { ring, nodes, form } = await cluster([trouble, { at: null }]);
    form();
    trouble.at = place;
    const client = nodes[0]!.connect(20);
    client.call(new Uint8Array(16));
    ring.settle();
    nodes[0]!.cmap.setU8('echo.key', 1);
    client.close();
    form();
    ring.advance(1000);
    t.same(nodes[0]!.failures, [`echo: Error: trouble in ${place}`], place);
    t.same(
      nodes.map((node) => node.host.syncInProgress),
      [false, false],
      `${place}: the ring goes on`,
    );
    t.same(nodes[1]!.failures, []);
    form();
    t.same(
      nodes.map((node) => node.host.syncInProgress),
      [false, false],
      `${place}: and so does the next sync`,
    );
    const late = nodes[0]!.connect(20);
    t.equal(late.open, false, 'no more clients');
  }
});

t.test('keys, order of unloading, dump', async (t) => {
  const { nodes, form } = await cluster([{ at: null }]);
  form();
  const node = nodes[0]!;
  t.equal(node.cmap.getString('internal_configuration.service.20.name'), 'corosync_echo');
  t.equal(node.cmap.getU16('runtime.services.echo.service_id'), 20);
  t.equal(node.host.dump(), 'echo is fine');
  t.rejects(node.load(echoEngine({ at: null })), { message: /taken/ });
  const order: number[] = [];
  node.host.addRemote({
    serviceId: 2,
    name: 'cpg',
    description: 'cpg',
    unloadPriority: 1,
    allowInquorate: true,
    calls: {},
    messages: ['0', '1', '2', '3', '4', '5', '6'],
    takesPartInSync: true,
    unload: async () => void order.push(2),
  });
  const client = node.connect(20);
  await node.host.unloadAll();
  t.same([...node.stopped], [20, 2]);
  t.equal(client.open, false);
  t.equal(node.cmap.getU64('runtime.services.cpg.6.rx'), 0n);
  node.deliver({ from: 1, group: 'a', bytes: Uint8Array.from([0, 0, 20, 0, ...new Array(12).fill(0)]) });
  t.equal(node.host.drops.noService, 1, 'messages for an unloaded service are dropped');
});

t.test('an engine that serves less than it declares is not loaded', async (t) => {
  const ring = new FakeRing();
  const node = new FakeNode({ nodeId: 1, clock: ring.clock, cmap: configured({}), full: ring.full });
  const half: ServiceEngine<MainEngineContext> = {
    ...echoEngine({ at: null }),
    start: () => ({ calls: {}, messages: { echo: () => {} } }),
  };
  await t.rejects(node.load(half), { message: 'echo declares echo, and does not serve it' });
  t.same(node.host.serviceIds(), []);
});

t.test('an engine hears of nothing before it has started', async (t) => {
  const ring = new FakeRing();
  const node = new FakeNode({ nodeId: 1, clock: ring.clock, cmap: configured({}), full: ring.full });
  const seen: string[] = [];
  const engine = echoEngine({ at: null }, seen);
  let go: () => void = () => {};
  const mayGo = new Promise<void>((resolve) => {
    go = resolve;
  });
  const loading = node.load({ ...engine, start: (context) => mayGo.then(() => engine.start(context)) });
  node.deliver({ from: 1, group: 'a', bytes: Uint8Array.from([0, 0, 20, 0, ...new Array(12).fill(0)]) });
  const early = node.connect(20);
  t.equal(early.status(new Uint8Array(16)), CsError.INVALID_PARAM, 'a call that nobody serves yet');
  t.same(seen, []);
  early.close();
  go();
  await loading;
  node.host.syncCompleted();
  t.equal(node.connect(20).status(new Uint8Array(16)), CsError.OK);
  t.same(seen, ['opened', 'request']);
});

t.test('counters', async (t) => {
  const { ring, nodes, form } = await cluster([{ at: null }, { at: null }]);
  form();
  const client = nodes[0]!.connect(20);
  t.equal(messageError(client.call(new Uint8Array(16))!), CsError.OK);
  ring.settle();
  t.equal(nodes[0]!.cmap.getU64('runtime.services.echo.0.tx'), 1n);
  t.equal(nodes[1]!.cmap.getU64('runtime.services.echo.0.rx'), 1n);
});

t.test("a message that the engine does not know leaves stock's line", async (t) => {
  const { nodes, form } = await cluster([{ at: null }]);
  form();
  const node = nodes[0]!;
  node.deliver({ from: 2, group: 'a', bytes: Uint8Array.from([9, 0, 20, 0, ...new Array(12).fill(0)]) });
  t.ok(node.logged('discarded unknown message 9 for service 20 (max id 1)'));
});

t.test('admission', async (t) => {
  const fn = { id: 0, flowControl: true, requestBytesMin: 16 };
  const free = { ...fn, flowControl: false };
  const state = (freeSlots: number, syncInProgress = false, quorate = true) => ({
    queue: { freeSlots: () => freeSlots, slotBytes: () => 1000, bytesLimit: () => 10_000 },
    quorate,
    syncInProgress,
  });
  t.equal(judge(100, fn, true, state(5)), 'admitted');
  t.equal(judge(100, undefined, true, state(5)), 'invalid');
  t.equal(judge(15, fn, true, state(5)), 'invalid');
  t.equal(judge(9999, fn, true, state(50)), 'invalid', 'never fits');
  t.equal(judge(9999, free, true, state(50)), 'invalid', 'also without flow control');
  t.equal(judge(5500, fn, true, state(5)), 'refused');
  t.equal(judge(5500, free, true, state(5)), 'admitted');
  t.equal(judge(100, fn, true, state(5, true)), 'refused');
  t.equal(judge(100, free, true, state(5, true)), 'admitted');
  t.equal(judge(100, free, false, state(5, false, false)), 'refused');
  t.equal(packetsForRequest(999, 1000), 2, 'with the byte of the group name');
  t.equal(packetsForRequest(998, 1000), 1);
});

t.test('flow control', async (t) => {
  const base = {
    allowInquorate: true,
    servedDuringSync: false,
    quorate: true,
    syncInProgress: false,
    level: QueueLevel.LOW,
  };
  t.same(flowState(base), { word: 0, rate: 'fast' });
  t.same(flowState({ ...base, level: QueueLevel.HIGH }), { word: 0, rate: 'slow' });
  t.same(flowState({ ...base, level: QueueLevel.CRITICAL }), { word: 2, rate: 'slow' });
  t.same(flowState({ ...base, syncInProgress: true }), { word: 2, rate: 'slow' });
  t.same(flowState({ ...base, syncInProgress: true, servedDuringSync: true }), { word: 0, rate: 'fast' });
  t.same(flowState({ ...base, quorate: false, allowInquorate: false }), { word: 1, rate: 'slow' });
  t.equal(queueLevel(80, QueueLevel.LOW), QueueLevel.CRITICAL);
  t.equal(queueLevel(72, QueueLevel.CRITICAL), QueueLevel.CRITICAL, 'a gap keeps the level');
  t.equal(queueLevel(65, QueueLevel.CRITICAL), QueueLevel.HIGH);
  t.equal(queueLevel(35, QueueLevel.GOOD), QueueLevel.GOOD);
  t.equal(queueLevel(10, QueueLevel.GOOD), QueueLevel.LOW);
});

t.test('the level of the send queue is looked at with requests, and by a timer only while it is not low', async (t) => {
  const { ring, nodes, form } = await cluster([{ at: null }]);
  form();
  ring.advance(2000);
  const node = nodes[0]!;
  const client = node.connect(20);
  t.notOk(ring.clock.runNext(ring.clock.nowMs() + 60_000), 'an idle node has no timer for it');
  node.queueLevel = QueueLevel.CRITICAL;
  client.call(new Uint8Array(16));
  t.same(node.flow.get(20), { word: 2, rate: 'slow' }, 'seen with the next request');
  ring.advance(100);
  t.same(node.flow.get(20), { word: 2, rate: 'slow' }, 'a client that waits is not let in early');
  node.queueLevel = QueueLevel.LOW;
  ring.advance(25);
  t.same(node.flow.get(20), { word: 0, rate: 'fast' }, 'and not kept waiting');
  t.notOk(ring.clock.runNext(ring.clock.nowMs() + 60_000), 'then it is quiet again');
});

t.test('an engine that fails while it starts is not loaded, and neither is the one that loads it', async (t) => {
  const ring = new FakeRing();
  const fresh = (): FakeNode => new FakeNode({ nodeId: 1, clock: ring.clock, cmap: configured({}), full: ring.full });
  const alone = fresh();
  const early: ServiceEngine<MainEngineContext> = {
    ...echoEngine({ at: 'track' }),
    start: async (context) => {
      const service = await echoEngine({ at: 'track' }).start(context);
      context.cmap.setU8('echo.key', 1); // the tracker throws
      return service;
    },
  };
  await t.rejects(alone.load(early), /trouble in track/);
  t.strictSame(alone.host.serviceIds(), []);

  const node = fresh();
  const provider = { ...echoEngine({ at: 'track' }), decidesQuorum: true };
  const notified: number[] = [];
  const loader: ServiceEngine<MainEngineContext> = {
    ...echoEngine({ at: null }),
    serviceId: 21,
    name: 'loader',
    start: async (context) => {
      await node.load(provider);
      context.cmap.setU8('echo.key', 1); // the provider, loaded a moment ago, fails
      const service = await echoEngine({ at: null }).start(context);
      return { ...service, engineFailed: (serviceId: number) => notified.push(serviceId) };
    },
  };
  await t.rejects(node.load(loader), /trouble in track/, 'it could not be notified, so it does not start');
  t.strictSame(notified, []);
});
