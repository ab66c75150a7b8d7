import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { hasCommand } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { until } from './lab/process.ts';

/** pcs, crmsh and the exporter of metrics, as Debian has them: with our daemons they say what they say with stock's. */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
const COMMAND_MS = 60_000;

interface HaTool {
  readonly command: string;
  readonly lines: readonly string[];
  /** What is in use after them, with stock. */
  readonly tokenMs: string;
}

/** In this order, on node 1 of a fresh ring of three. */
const TOOLS: readonly HaTool[] = [
  {
    command: 'pcs',
    tokenMs: '3000',
    lines: [
      'quorum status',
      'quorum config',
      'quorum expected-votes 4',
      'quorum status',
      'status corosync',
      'cluster reload corosync',
    ],
  },
  {
    command: 'crm',
    tokenMs: '2500',
    lines: [
      'corosync status ring',
      'corosync status quorum',
      'corosync get totem.token',
      'corosync set totem.token 2500',
      'corosync reload',
      'corosync get totem.token',
      'corosync get no.such.key',
    ],
  },
];

function unavailable(command: string): string | false {
  return skipReason([OURS]) || (hasCommand(command) ? false : `needs Debian’s ${command}`);
}

async function onRing<T>(kind: DaemonKind, act: (node: LabNode) => Promise<T>): Promise<T> {
  const lab = await Lab.up({ transport: 'knet', tokenMs: 3000 }, [kind, kind, kind], true);
  try {
    return await act(lab.node(1));
  } finally {
    await lab.close();
  }
}

/** The same on a ring of stock and on one of ours; neither is left behind when the other one fails. */
async function onBoth<T>(act: (kind: DaemonKind) => Promise<T>): Promise<readonly [T, T]> {
  const stock = act('stock');
  const ours = act(OURS);
  await Promise.allSettled([stock, ours]);
  return Promise.all([stock, ours]);
}

function normalise(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trimEnd());
  return lines.map((line) => line.replace(/^Date: .*/, 'Date: …').replace(/^(Ring ID:\s+\w+)\..*/, '$1.…'));
}

/** Each command with its status and output; and the token's time out that the daemon has in the end. */
function outputs(kind: DaemonKind, { command, lines }: HaTool): Promise<Map<string, unknown>> {
  return onRing(kind, async (node) => {
    await node.space.must('mkdir', ['-p', '/var/log/crmsh']);
    const found = new Map<string, unknown>();
    for (const [at, line] of lines.entries()) {
      const result = await node.space.run(command, line.split(' '), { timeoutMs: COMMAND_MS });
      const { code, stdout, stderr } = result;
      found.set(`${at}: ${line}`, { code, stdout: normalise(stdout), stderr: normalise(stderr) });
    }
    found.set('token in use', await node.cmap('runtime.config.totem.token'));
    return found;
  });
}

for (const tool of TOOLS) {
  t.test(tool.command, { skip: unavailable(tool.command) }, async (t) => {
    t.setTimeout(400_000);
    const [stock, ours] = await onBoth((kind) => outputs(kind, tool));
    t.equal(stock.get('token in use'), tool.tokenMs, 'the tool works at all');
    for (const [line, output] of stock) t.same(ours.get(line), output, line);
  });
}

const EXPORTER = 'ha_cluster_exporter';
const SCRAPE = `fetch('http://127.0.0.1:9664/metrics').then((response) => response.text()).then(console.log)`;

/** The metrics of one scrape that come from Corosync. */
function metrics(kind: DaemonKind): Promise<string[]> {
  return onRing(kind, async (node) => {
    const exporter = node.space.start(EXPORTER, ['--web.listen-address=127.0.0.1:9664']);
    try {
      return await until('a scrape', async () => {
        const { code, stdout } = await node.space.run(process.execPath, ['-e', SCRAPE], { timeoutMs: COMMAND_MS });
        const lines = stdout
          .split('\n')
          .filter((line) => /^ha_cluster_(corosync_|scrape_success.*corosync)/.test(line));
        return code === 0 && lines.length > 0 ? lines : null;
      });
    } finally {
      await exporter.stop('SIGKILL');
    }
  });
}

t.test('exporter', { skip: unavailable(EXPORTER) }, async (t) => {
  t.setTimeout(200_000);
  const [stock, ours] = await onBoth(metrics);
  t.ok(stock.includes('ha_cluster_corosync_quorate 1'), 'stock is quorate');
  t.same(ours, stock, 'the same metrics');
});
