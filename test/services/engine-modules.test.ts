import { fileURLToPath } from 'node:url';
import t from 'tap';
import { messageError, messageId, statusResponse } from '../../src/services/codec/struct.ts';
import type { MainEngineContext, ServiceEngine } from '../../src/services/engine.ts';
import { type EngineModule, loadEngineModules } from '../../src/services/host/engine-modules.ts';
import type { EngineVersion1 } from '../../src/services/host/engine-version-1.ts';
import { configured, FakeNode } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

const engine = (changes: Partial<ServiceEngine<MainEngineContext>> = {}): ServiceEngine<MainEngineContext> => ({
  serviceId: 20,
  name: 'thing',
  description: 'thing',
  unloadPriority: 1,
  allowInquorate: true,
  calls: {},
  messages: [],
  takesPartInSync: false,
  start: () => ({ calls: {}, messages: {} }),
  ...changes,
});

const old = (changes: Partial<EngineVersion1> = {}): EngineVersion1 => ({
  serviceId: 20,
  name: 'thing',
  description: 'thing',
  unloadPriority: 1,
  allowInquorate: true,
  library: [],
  exec: [],
  start: () => {},
  ...changes,
});

async function load(modules: Record<string, unknown>, blocks: Record<string, string>[]) {
  const logs: string[] = [];
  const engines = await loadEngineModules(blocks, {
    trusted: (path) => path,
    log: (level, subsystem, text) => logs.push(`${level} ${subsystem} ${text}`),
    import: async (url) => {
      const module = modules[fileURLToPath(url)];
      if (module === undefined) throw new Error(`Cannot find ${url}`);
      return module;
    },
  });
  return { logs, engines, names: engines.map((each) => each.name) };
}

const bare = (id: number) => ({ id, flowControl: false, requestBytesMin: 16 });

const moduleOf = (made: unknown, interfaceVersion = 2): EngineModule => ({
  interfaceVersion,
  createEngine: () => made,
});

t.test('modules that are right', async (t) => {
  const modules = {
    '/etc/rondo/engines/thing.js': moduleOf(engine()),
    '/opt/other.js': { interfaceVersion: 1, createEngine: async () => old({ name: 'other', serviceId: 21 }) },
  };
  const { names, logs } = await load(modules, [
    { name: 'thing', path: '/etc/rondo/engines/thing.js' },
    { name: 'other', path: '/opt/other.js', colour: 'red' },
  ]);
  t.same(names, ['thing', 'other']);
  t.same(logs, []);
});

t.test('sections of Corosync 1 are passed over without a word, as in stock', async (t) => {
  const old: Record<string, string>[] = [
    { name: 'pacemaker', ver: '0' },
    { name: 'corosync_quorum' },
    { name: 'cmap', ver: '0' },
    { ver: '0' },
    { name: 'constructor' },
    {},
  ];
  const { logs, names } = await load({}, old);
  t.same(names, []);
  t.ok(
    logs.every((line) => line.startsWith('debug ')),
    'at most for debugging',
  );
});

t.test('modules that are wrong are left out, and that is logged', async (t) => {
  const wrong: [string, unknown, Record<string, string>, RegExp][] = [
    ['no name', moduleOf(engine()), { path: '/x.js' }, /needs a name/],
    ['bad name', moduleOf(engine()), { name: 'Thing!', path: '/x.js' }, /a name is/],
    ['built in', moduleOf(engine()), { name: 'cmap', path: '/x.js' }, /built-in/],
    ['not there', undefined, { name: 'thing', path: '/y.js' }, /Cannot find/],
    ['no module', {}, { name: 'thing', path: '/x.js' }, /exports no/],
    ['version', moduleOf(engine(), 3), { name: 'thing', path: '/x.js' }, /version 3/],
    ['version', moduleOf(engine(), 0), { name: 'thing', path: '/x.js' }, /version 0/],
    ['of version 1, said to be of 2', moduleOf(old()), { name: 'thing', path: '/x.js' }, /not a service engine/],
    ['of version 2, said to be of 1', moduleOf(engine(), 1), { name: 'thing', path: '/x.js' }, /not a service engine/],
    ['id of a call', moduleOf(engine({ calls: { a: bare(64) } })), { name: 'thing', path: '/x.js' }, /request id 64/],
    [
      'twice',
      moduleOf(engine({ calls: { a: bare(0), b: bare(0) } })),
      { name: 'thing', path: '/x.js' },
      /request id 0/,
    ],
    ['other name', moduleOf(engine({ name: 'else' })), { name: 'thing', path: '/x.js' }, /calls itself else/],
    ['id of stock', moduleOf(engine({ serviceId: 5 })), { name: 'thing', path: '/x.js' }, /service id 5/],
    ['id too large', moduleOf(engine({ serviceId: 64 })), { name: 'thing', path: '/x.js' }, /service id 64/],
    [
      'throws',
      {
        interfaceVersion: 1,
        createEngine: () => {
          throw new Error('no thanks');
        },
      },
      { name: 'thing', path: '/x.js' },
      /no thanks/,
    ],
  ];
  for (const [what, module, block, expected] of wrong) {
    const { names, logs } = await load({ '/x.js': module }, [block]);
    t.same(names, [], what);
    t.match(logs[0], expected, what);
  }
  const twins = { '/x.js': moduleOf(engine()), '/y.js': moduleOf(engine({ name: 'twin' })) };
  const { names, logs } = await load(twins, [
    { name: 'thing', path: '/x.js' },
    { name: 'twin', path: '/y.js' },
  ]);
  t.same(names, ['thing']);
  t.match(logs[0], /taken by thing/);
});

t.test('the example is a module', async (t) => {
  const path = fileURLToPath(new URL('../../src/services/examples/kv/engine.js', import.meta.url));
  const engines = await loadEngineModules([{ name: 'kv', path }], {
    trusted: (path) => path,
    log: (_level, _subsystem, text) => t.fail(text),
    import: (url) => import(url),
  });
  t.same(
    engines.map((each) => [each.name, each.serviceId]),
    [['kv', 32]],
  );
});

t.test('a module of version 1 works as it did', async (t) => {
  const seen: string[] = [];
  let mcast: (fn: number, payload: Uint8Array) => boolean = () => false;
  const made = old({
    library: [
      {
        name: 'first',
        flowControl: false,
        requestBytesMin: 24,
        handle: () => {},
        rejection: (error) => statusResponse(77, error),
      },
      {
        name: 'first',
        flowControl: false,
        requestBytesMin: 16,
        handle: (connection) => connection.respond(statusResponse(1, mcast(0, new Uint8Array(16)) ? 1 : 6)),
      },
    ],
    exec: [{ name: 'message', handle: (payload, nodeId) => seen.push(`message of ${payload.length} from ${nodeId}`) }],
    sync: {
      init: () => seen.push('init'),
      process: () => seen.push('process') > 0,
      activate: () => seen.push('activate'),
      abort: () => seen.push('abort'),
    },
    start: (context) => {
      mcast = context.mcast;
    },
    connectionOpened: () => seen.push('opened'),
    connectionClosed: () => seen.push('closed'),
    dump: () => 'fine',
  });
  const { engines } = await load({ '/x.js': moduleOf(made, 1) }, [{ name: 'thing', path: '/x.js' }]);
  const ring = new FakeRing();
  const node = new FakeNode({ nodeId: 1, clock: ring.clock, cmap: configured({}), full: ring.full });
  await node.load(...engines);
  ring.add(node);
  ring.partition([1]);
  ring.settle();
  const client = node.connect(20);
  const refused = client.call(new Uint8Array(16))!;
  t.same([messageId(refused), messageError(refused)], [77, 7], 'too short, with a rejection of its own');
  t.equal(client.status(Uint8Array.from([1, ...new Array(15).fill(0)])), 1);
  ring.settle();
  client.close();
  t.same(seen, ['init', 'process', 'activate', 'opened', 'message of 16 from 1', 'closed']);
  t.equal(node.host.dump(), 'fine');
});
