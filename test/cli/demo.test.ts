import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { sweepAbandoned } from '../../src/cli/demo/cluster.ts';
import { findPort, writeLayout } from '../../src/cli/demo/generate.ts';
import { type DemoView, type NodeView, OrderLog, ordersAgree, Rate } from '../../src/cli/demo/model.ts';
import { clip, renderView } from '../../src/cli/demo/render.ts';
import { nodeEnvironment } from '../../src/config/environment.ts';
import { loadConfiguration } from '../../src/config/load.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal styles are control characters
const plain = (line: string): string => line.replace(/\u001b\[[0-9;]*m/g, '');

const node = (nodeId: number, more: Partial<NodeView> = {}): NodeView => ({
  nodeId,
  name: `node${nodeId}`,
  process: 'running',
  pid: 1000 + nodeId,
  ready: true,
  ringId: { rep: 1, seq: 12n },
  members: [1, 2, 3],
  quorate: true,
  votes: null,
  tokensPerSec: 411.6,
  messagesPerSec: 0,
  delivered: 7,
  groups: [{ group: 'demo', nodeId, pid: 5 }],
  ...more,
});

const view = (more: Partial<DemoView> = {}): DemoView => ({
  title: 'Rondo',
  usage: 'RONDO_IPC_INSTANCE=rondo-demo-1-3',
  page: 'http://127.0.0.3:20000/',
  nodes: [node(1), node(2), node(3, { process: 'killed', pid: null, ready: false, quorate: false })],
  selected: 2,
  load: false,
  sent: 7,
  sameOrder: true,
  changes: Array.from({ length: 50 }, (_, index) => ({ timeMs: index * 1000, node: 'node1', text: `change ${index}` })),
  elapsedMs: 65_000,
  ...more,
});

t.test('the view shows nodes, holders, messages and the last changes that fit', async (t) => {
  const lines = renderView(view(), 120, 30).map(plain);
  t.equal(lines.length, 29);
  t.match(lines[0], /Rondo.*1:05/);
  t.match(
    lines.find((line) => line.includes('node1')),
    /running 1001 +1\.c +1 2 3 +yes +412/,
  );
  t.match(
    lines.find((line) => line.includes('node3')),
    /^ > node3 +killed +-/,
  );
  t.ok(lines.some((line) => line.includes('quorum   node1 node2')));
  t.ok(lines.some((line) => line.includes('group    "demo": 1.5')));
  t.ok(lines.some((line) => line.includes('Page     http://127.0.0.3:20000/')));
  t.ok(lines.some((line) => line.includes('Programs RONDO_IPC_INSTANCE=rondo-demo-1-3')));
  t.match(lines.at(-3), /change 49/, 'the newest change is last');
  t.notOk(lines.some((line) => line.includes('change 0')));
  t.match(
    renderView(view({ sameOrder: false }), 120, 30)
      .map(plain)
      .join('\n'),
    'DIFFERENT ORDER',
  );
});

t.test('no line is wider than the terminal, whatever its style', async (t) => {
  for (const line of renderView(view(), 40, 24)) t.ok(plain(line).length <= 40);
  t.equal(clip('\u001b[31mabcdef\u001b[0m', 3), '\u001b[31mabc\u001b[0m');
  t.equal(renderView(view(), 80, 5).length > 5, true, 'a tiny terminal still gets one change');
});

t.test('rates survive a counter that starts again', async (t) => {
  const rate = new Rate();
  t.equal(rate.sample(100, 1000), 0);
  t.equal(rate.sample(300, 2000), 200);
  t.equal(rate.sample(5, 3000), 0);
  t.equal(rate.sample(10, 4000), 5);
  t.equal(rate.sample(null, 5000), 0);
});

t.test('orders are compared where they overlap', async (t) => {
  t.ok(ordersAgree(['a', 'b', 'c'], ['b', 'c', 'd']));
  t.notOk(ordersAgree(['a', 'b', 'c'], ['c', 'b']));
  t.ok(ordersAgree([], ['x']));
  const log = new OrderLog(2);
  for (let i = 0; i < 100; i++) log.add(String(i));
  t.ok(log.last.length <= 4);
  t.equal(log.last.at(-1), '99');
});

t.test('the generated configuration is one that the daemon takes, for every node', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-demo-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const port = await findPort(['127.0.0.1', '127.0.0.2'], Math.random);
  for (const transport of ['knet', 'udpu'] as const) {
    const layout = writeLayout(join(directory), 3, transport, port, 'x');
    for (const { configFile, name, nodeId, stateDirectory } of layout.nodes) {
      const environment = { ...nodeEnvironment(), hostname: () => name };
      const result = await loadConfiguration({ file: configFile }, { purpose: 'test', environment });
      t.ok(result.ok, readFileSync(configFile, 'utf8'));
      if (!result.ok) continue;
      const codes = result.warnings.map(({ code }) => code);
      t.same(codes, transport === 'knet' ? [] : ['plain-text'], 'udpu is plain text');
      t.equal(result.totem.nodeId, nodeId);
      t.equal(result.totem.transport, transport);
      t.equal(result.totem.crypto.cipher, transport === 'knet' ? 'aes256' : 'none');
      t.equal(result.totem.links[0]?.port, port);
      t.equal(result.stateDirectory, stateDirectory);
    }
    rmSync(join(directory, 'authkey'), { force: true });
  }
});

t.test('what demonstrations left is removed, and nothing that others can have put in its place', async (t) => {
  const directory = t.testdir({});
  const names = ['rondo-demo-4194305-aaaaaa', 'rondo-demo-4194305-bbbbbb', 'rondo-demo-4194305-toolong'] as const;
  for (const name of names) {
    mkdirSync(join(directory, name), { mode: 0o700 });
    writeFileSync(join(directory, name, 'node1.conf'), '');
  }
  chmodSync(join(directory, names[1]), 0o777);
  sweepAbandoned(directory);
  t.same(
    names.map((name) => existsSync(join(directory, name, 'node1.conf'))),
    [false, true, true],
  );
});
