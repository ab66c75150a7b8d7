import t from 'tap';
import { FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { LabNode } from '../interop/lab/node.ts';
import { until } from '../interop/lab/process.ts';
import { Attacker, alive, delayMs, GRANTED, peakMiB, residentMiB, STRANGER } from './attacker.ts';

// A local user without any right against the HTTP of metrics and page, while root uses the daemon.

const PORT = 9180;
const SECONDS = FULL ? '8' : '3';
const MODES = ['connect', 'request', 'drip', 'follow'] as const;
/** As for floods of connections to the daemon itself; besides the machine's own delays. */
const DISTURBED_MS_MAX = 1000;
const GROWTH_MIB_MAX = 64;

const curl = async (node: LabNode, path: string): Promise<string> => {
  const script = `exec 3<>/dev/tcp/127.0.0.1/${PORT}; printf 'GET ${path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&3; cat <&3`;
  return (await node.space.run('bash', ['-c', script], { timeoutMs: 15_000 })).stdout;
};

t.test(
  'floods of scrapers: root is served, memory stays, readers are served afterwards',
  { skip: skipReason(['ours']) },
  async (t) => {
    const address = `127.0.0.1:${PORT}`;
    const system = ['sched_rr: yes', `metrics: ${address}`, `dashboard: ${address}`];
    const lab = await Lab.up({ transport: 'udpu', system }, ['ours']);
    t.teardown(() => lab.close());
    const node = lab.node(1);
    t.match(await curl(node, '/metrics'), /^ha_cluster_corosync_quorate 1$/m);
    const before = residentMiB(node);
    const users = [await Attacker.on(node, STRANGER, 'scrape'), await Attacker.on(node, GRANTED, 'scrape')];
    for (const mode of MODES) {
      const root = (await Attacker.on(node, 0)).start('probe', 'cmap', '0');
      const floods = [...users, ...users].map((user) => user.start(mode, String(PORT), SECONDS));
      for (const flood of floods) await flood.exited;
      root.child.stdin?.end('.');
      await root.exited;
      const begun = floods.map(({ output }) => Number(/begun (\d+)/.exec(output)?.[1] ?? 0));
      t.comment(`${mode}: ${begun.join(' + ')} connections; root: ${root.output.trim()} ms`);
      t.ok(
        begun.every((count) => count > 0),
        'the floods flooded',
      );
      t.ok(delayMs(root.output) < DISTURBED_MS_MAX, `${mode}: ${root.output}`);
    }
    t.equal(await alive(lab, node), 'alive');
    const growth = peakMiB(node) - before;
    t.comment(`${growth.toFixed(0)} MiB more at most`);
    t.ok(growth < GROWTH_MIB_MAX, `${growth} MiB`);
    await until(
      'metrics for a reader',
      async () => (/quorate 1/.test(await curl(node, '/metrics')) ? true : null),
      20_000,
    );
    t.ok(node.log().length < 100_000, `${node.log().length} bytes of log`);
  },
);
