import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { MainEngineContext, ServiceEngine } from '../../src/services/engine.ts';
import { type EngineModule, loadEngineModules } from '../../src/services/host/engine-modules.ts';

const engine = (changes: Partial<ServiceEngine<MainEngineContext>> = {}): ServiceEngine<MainEngineContext> => ({
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

const moduleOf = (made: ServiceEngine<MainEngineContext>, interfaceVersion = 2): EngineModule => ({
  interfaceVersion,
  createEngine: () => made,
});

t.test('modules that are right', async (t) => {
  const modules = {
    '/etc/rondo/engines/thing.js': moduleOf(engine()),
    '/opt/other.js': { interfaceVersion: 1, createEngine: async () => engine({ name: 'other', serviceId: 21 }) },
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

t.test('modules that are wrong are left out, and said to be', async (t) => {
  const wrong: [string, unknown, Record<string, string>, RegExp][] = [
    ['no name', moduleOf(engine()), { path: '/x.js' }, /needs a name/],
    ['bad name', moduleOf(engine()), { name: 'Thing!', path: '/x.js' }, /a name is/],
    ['built in', moduleOf(engine()), { name: 'cmap', path: '/x.js' }, /built-in/],
    ['not there', undefined, { name: 'thing', path: '/y.js' }, /Cannot find/],
    ['no module', {}, { name: 'thing', path: '/x.js' }, /exports no/],
    ['version', moduleOf(engine(), 3), { name: 'thing', path: '/x.js' }, /version 3/],
    ['version', moduleOf(engine(), 0), { name: 'thing', path: '/x.js' }, /version 0/],
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

t.test('a module of version 1 finds the way of sending that it knows', async (t) => {
  const sent: number[] = [];
  const context = { trySend: (fn: number) => sent.push(fn) > 0 };
  const old = engine();
  old.start = (given) => void (given as unknown as { mcast(fn: number): boolean }).mcast(3);
  const { engines } = await load({ '/x.js': moduleOf(old, 1) }, [{ name: 'thing', path: '/x.js' }]);
  engines[0]?.start(context as unknown as MainEngineContext);
  t.same(sent, [3]);
});
