import { PackagedGround, type PackageKind } from './packaged.ts';
import { until } from './process.ts';
import type { RootTree } from './root-tree.ts';

/**
 * What an administrator does with pcs and pcsd on three hosts, from nothing to nothing: a cluster is set up, grows, gets a link, an arbiter
 * and fencing, shrinks and is destroyed. Each step is a command on the first host, and what it said.
 */
const HOSTS = ['node1', 'node2', 'node3'] as const;
const STEP_MS = 180_000;

interface Step {
  readonly line: string;
  /** Only in the full programme. */
  readonly rare?: boolean;
  /** What must be seen before the next step: a shell line on node 1 that ends with 0. */
  readonly until?: string;
}

const online = (...names: readonly string[]): string =>
  `crm_mon -1 | grep -q 'Online: \\[ ${names.join(' ')} \\]' && crm_mon -1 | grep -q 'with quorum'`;
/** Processes of a cluster that nobody has reaped yet are none. */
const ALIVE = 'ps -C corosync,pacemakerd,corosync-qdevice -o stat=,comm= | grep -v ^Z';
const quorate = 'corosync-quorumtool -s | grep -q "^Quorate: *Yes"';

const STEPS: readonly Step[] = [
  { line: 'pcs host auth node1 node2 node3 -u hacluster -p laboratory' },
  { line: 'pcs cluster setup lab node1 node2 totem token=3000 --start --wait=120', until: online('node1', 'node2') },
  ...rare('pcs cluster config'),
  { line: 'pcs property set stonith-enabled=false' },
  ...rare('pcs status corosync', 'pcs quorum config', 'pcs quorum status'),
  { line: 'pcs cluster node add node3 --start --wait=120', until: online('node1', 'node2', 'node3') },
  { line: 'pcs quorum status' },
  {
    line: 'pcs cluster link add node1=10.79.0.1 node2=10.79.0.2 node3=10.79.0.3 options link_priority=3',
    until: 'corosync-cfgtool -s | grep -cw connected | grep -qx 4',
  },
  { line: 'corosync-cfgtool -s' },
  ...rare(
    'pcs cluster link update 1 node1=10.79.0.1',
    'pcs cluster link remove 1',
    'pcs cluster config update totem token=4000 token_retransmits_before_loss_const=8',
    'corosync-cmapctl -g runtime.config.totem.token',
    'pcs cluster reload corosync',
    'pcs cluster corosync',
    'pcs quorum expected-votes 3',
    'pcs quorum expected-votes 1',
    'pcs cluster sync corosync',
    'pcs quorum update last_man_standing=1',
  ),
  { line: 'pcs resource create dummy ocf:pacemaker:Dummy --wait=60' },
  ...rare('pcs status resources', 'pcs status', 'crm_mon -1'),
  { line: 'pcs cluster node remove node3', until: online('node1', 'node2') },
  ...rare('pcs quorum status'),
  {
    line: 'pcs quorum device add model net host=node3 algorithm=ffsplit',
    until: 'corosync-quorumtool -s | grep -q "Qdevice$"',
  },
  ...rare('pcs quorum config', 'pcs quorum device status'),
  { line: 'pcs quorum status' },
  ...rare('pcs quorum device update model algorithm=lms'),
  {
    line: 'pcs quorum device remove',
    until: `${quorate} && ! corosync-quorumtool -s | grep -q "Qdevice$"`,
    rare: true,
  },
  ...rare('pcs quorum status', 'pcs status nodes both'),
  { line: 'pcs cluster stop node2', until: 'crm_mon -1 | grep -q "OFFLINE: \\[ node2"', rare: true },
  ...rare('pcs quorum status'),
  { line: 'pcs cluster start node2 --wait=120', until: online('node1', 'node2'), rare: true },
  ...rare(
    'pcs cluster stop --all',
    'pcs status',
    'pcs quorum update wait_for_all=1 auto_tie_breaker=1',
    'pcs cluster authkey corosync',
  ),
  { line: 'pcs cluster start --all --wait=120', until: online('node1', 'node2'), rare: true },
  ...rare('corosync-cmapctl -g quorum.wait_for_all', 'pcs quorum unblock'),
  { line: 'pcs cluster kill', until: `! ${ALIVE}` },
  { line: 'pcs cluster destroy --all' },
  { line: 'ls /etc/corosync/corosync.conf /etc/corosync/authkey' },
  { line: ALIVE },
];

function rare(...lines: readonly string[]): readonly Step[] {
  return lines.map((line) => ({ line, rare: true }));
}

/** Each step with its status and what it wrote. */
export async function pcsStory(kind: PackageKind, full: boolean): Promise<Map<string, unknown>> {
  const seen = new Map<string, unknown>();
  const packaged = await PackagedGround.create(kind);
  try {
    const hosts = await packaged.addHosts(...HOSTS);
    const [first, , third] = hosts.map(({ tree }) => tree);
    if (first === undefined || third === undefined) throw new Error('three hosts');
    for (const [at, { tree }] of hosts.entries()) await prepare(tree, at + 1);
    // Stock's tools leave the keys to root alone when Debian's installation has not made them.
    await third.must(
      'pcs qdevice setup model net && chgrp -R coroqnetd /etc/corosync/qnetd && systemctl start corosync-qnetd',
      STEP_MS,
    );
    for (const [at, step] of STEPS.filter((candidate) => full || !candidate.rare).entries()) {
      const { code, stdout, stderr } = await first.run(step.line, STEP_MS);
      if (process.env['RONDO_LAB_SHOW']) console.error(`${kind} ${at}: ${step.line}: ${code}\n${stdout}${stderr}`);
      seen.set(`${at}: ${step.line}`, { code, stdout: normalise(stdout), stderr: normalise(stderr) });
      if (step.until !== undefined) await reached(first, `${kind}: after ${step.line}`, step.until);
    }
    return seen;
  } finally {
    await packaged.close();
  }
}

async function reached(tree: RootTree, what: string, goal: string): Promise<void> {
  await until(`${what}: ${goal}`, async () => ((await tree.run(goal)).code === 0 ? true : null), STEP_MS, 500).catch(
    async (error: Error) => {
      const { stdout, stderr } = await tree.run(LOGS);
      throw new Error(`${error.message}\n${stdout}${stderr}`);
    },
  );
}

const LOGS =
  'tail -n 30 /var/log/corosync/corosync.log /var/log/units /var/log/pcsd/pcsd.log; crm_mon -1; corosync-quorumtool -s; ps ax';

async function prepare(tree: RootTree, id: number): Promise<void> {
  await tree.must(`ip addr add 10.79.0.${id}/24 dev eth0 && echo hacluster:laboratory | chpasswd`);
  await tree.must('systemctl start pcsd-ruby pcsd');
  await reached(tree, 'pcsd', 'curl -ks https://127.0.0.1:2224/ >/dev/null');
}

function normalise(text: string): string[] {
  const lines = text
    .split('\n')
    .map((line) => line.trimEnd())
    .map((line) => line.replace(/^Date: .*/, 'Date: …').replace(/^(Ring ID:\s+\w+)\..*/, '$1.…'))
    .map((line) => line.replace(/(Current DC: |[Ll]ast (updated|change):? ).*/, '$1…'))
    .map((line) => line.replace(/(Cluster UUID:|cluster_uuid:).*/, '$1 …'))
    // Whichever replies first loads the file for all.
    .map((line) => line.replace(/^node\d(: Corosync configuration reloaded)$/, 'node…$1'));
  return inOrder(lines);
}

/** Hosts answer in any order: lines of several of them in a row are sorted. */
function inOrder(lines: readonly string[]): string[] {
  const sorted: string[] = [];
  let replies: string[] = [];
  for (const line of lines) {
    if (/^((Warning|Error): )?node\d: /.test(line)) {
      replies.push(line);
      continue;
    }
    sorted.push(...replies.sort(), line);
    replies = [];
  }
  return [...sorted, ...replies.sort()];
}
