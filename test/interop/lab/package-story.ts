/**
 * What the programs above the cluster engine see on three nodes whose daemon and tools are those that stand under stock's names on this
 * machine: stock's package outside, ours in the root tree of `package.test.ts`. Prints `{ step: what was seen }` as JSON.
 */
import { PacemakerLab } from './pacemaker.ts';
import { until } from './process.ts';

const COMMAND_MS = 60_000;
const SCRAPE = `fetch('http://127.0.0.1:9664/metrics').then((response) => response.text()).then(console.log)`;

const seen: Record<string, unknown> = {};
const pacemaker = await PacemakerLab.up(['stock', 'stock', 'stock']);
try {
  const [first, , third] = pacemaker.lab.nodes;
  if (first === undefined || third === undefined) throw new Error('three nodes');
  const run = async (node: typeof first, line: string): Promise<unknown> => {
    const { code, stdout, stderr } = await node.space.run('sh', ['-c', line], { timeoutMs: COMMAND_MS });
    return { code, stdout: normalise(stdout), stderr: normalise(stderr) };
  };
  const all = /Online: \[ node1 node2 node3 \]/;
  seen['nodes online'] = await pacemaker.reach(third, 'nodes online', all, /with quorum/);
  await pacemaker.addDummy();
  seen['resource started'] = await pacemaker.reach(third, 'resource started', /dummy.*Started node1/);

  for (const line of [
    'pcs status nodes corosync',
    'pcs status corosync',
    'pcs quorum status',
    'pcs quorum config',
    'pcs status | grep -E "node|dummy|quorum|corosync"',
    'crm corosync status quorum',
    'crm_node -l',
    'crm_node -q',
    'corosync-cmapctl totem. ; corosync-cmapctl nodelist. ; corosync-cmapctl runtime.config.totem.',
    'ps -C corosync -o stat=,comm= | grep -v ^Z | sed "s/.* //" | sort | uniq -c',
    'pidof corosync | wc -w',
    'pgrep -xc --runstates RSD corosync',
  ])
    seen[line] = await run(first, line);

  const exporter = first.space.start('ha_cluster_exporter', ['--web.listen-address=127.0.0.1:9664']);
  seen['exporter'] = await until('a scrape', async () => {
    const { stdout } = await first.space.run(process.execPath, ['-e', SCRAPE], { timeoutMs: COMMAND_MS });
    const lines = stdout.split('\n').filter((line) => /^ha_cluster_corosync_/.test(line));
    return lines.length > 0 ? lines : null;
  }).finally(() => exporter.stop('SIGKILL'));

  // Pacemaker's processes and the daemon of all three nodes: this ends them all, by name.
  seen['pcs cluster kill'] = await run(first, 'pcs cluster kill');
  // Without those that nobody has reaped: the first process of this process space need not.
  await until('nothing runs', async () =>
    (await first.space.run('sh', ['-c', 'pgrep -x --runstates RSD "corosync|pacemakerd"'])).code === 1 ? true : null,
  );
} finally {
  await pacemaker.close();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);

function normalise(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .map((line) => line.replace(/^Date: .*/, 'Date: …').replace(/^(Ring ID:\s+\w+)\..*/, '$1.…'))
    .map((line) => line.replace(/(Current DC: |Last (updated|change): ).*/, '$1…'));
}
