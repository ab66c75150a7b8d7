import { join } from 'node:path';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { DeviceLab } from './lab/device.ts';
import { qdeviceUnavailable, ROOT } from './lab/host.ts';
import type { LabNode } from './lab/node.ts';
import { until } from './lab/process.ts';

/** What the doctor says on a node whose arbiter is dead, or whose device is; and what the arbiter says of itself while it lives. */
const RONDO = join(ROOT, 'bin/rondo');
const ABOUT_IT = /^(?:arbiter|device)\./;

interface Finding {
  readonly code: string;
  readonly what: string;
  readonly cause: string;
  readonly evidence: readonly string[];
  readonly mend: string;
}

async function about(node: LabNode): Promise<readonly Finding[]> {
  const { stdout, stderr } = await node.tool(RONDO, 'doctor', '--json', '--seconds', '0');
  if (stdout === '') throw new Error(stderr);
  const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
  return findings.filter(({ code }) => ABOUT_IT.test(code));
}

t.test(
  'a dead arbiter, and a device that does not run',
  { skip: qdeviceUnavailable() || skipReason(['ours']) },
  async (t) => {
    t.setTimeout(240_000);
    const options = { algorithm: 'ffsplit', tls: 'off', device: ['votes: 1'], server: 'ours', client: 'ours' } as const;
    const side = await DeviceLab.create(options, ['ours', 'ours']);
    try {
      const { lab } = side;
      for (const node of lab.nodes) node.startDaemon();
      await lab.waitRing(lab.nodes);
      await side.startServer();
      for (const node of lab.nodes) await side.startDevice(node);
      const one = lab.node(1);
      const becomes = (what: string, codes: string): Promise<readonly Finding[]> =>
        until(
          what,
          async () => {
            const found = await about(one);
            return found.map(({ code }) => code).join() === codes ? found : null;
          },
          60_000,
        );
      await becomes('nothing is wrong', '');
      const { stdout } = await lab.wire.run(RONDO, ['qnetd', 'status', '--json']);
      t.match(JSON.parse(stdout), { clients: 2, clusters: [{ name: 'lab', nodes: [{ nodeId: 1 }, { nodeId: 2 }] }] });

      await side.stopServer();
      const [dead] = await becomes('the arbiter is dead', 'arbiter.unreachable');
      t.match(dead, {
        what: /^The arbiter 10\.91\.0\.200:5403 is not there for this node$/,
        cause: /nothing listens there/,
        evidence: [/tries to connect/, /refused/],
        mend: /^systemctl start corosync-qnetd \(on 10\.91\.0\.200\)/,
      });
      await side.startServer();
      await becomes('the arbiter is back', '');

      await side.stopDevice(one, 'SIGKILL');
      t.match((await becomes('the device is dead', 'device.stopped'))[0]?.mend, /corosync-qdevice/);
    } finally {
      await side.close();
    }
  },
);
