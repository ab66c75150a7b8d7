import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Host, PackagedGround, startCluster } from './packaged.ts';
import { must, until } from './process.ts';

const BUILD_MS = 300_000;
const MEET_MS = 60_000;
const FILES = 40;
/** Folder with the source of Proxmox's cluster file system: `src/pmxcfs` of pve-cluster. */
const SOURCE = process.env['RONDO_PMXCFS'] ?? '';

export function pmxcfsUnavailable(): string | false {
  if (SOURCE === '')
    return 'RONDO_PMXCFS names no folder with the source of pmxcfs (src/pmxcfs of Proxmox’s pve-cluster)';
  if (!existsSync(join(SOURCE, 'pmxcfs.c'))) return `no pmxcfs.c in RONDO_PMXCFS=${SOURCE}`;
  return existsSync('/dev/fuse') ? false : 'pmxcfs needs FUSE (/dev/fuse)';
}

/** What the file system showed at each step. */
export interface PmxcfsViews {
  readonly members: string;
  readonly locks: readonly number[];
  /** Sums of all files after all hosts have written at once, by host. */
  readonly written: readonly string[];
  readonly withoutFirst: string;
  readonly afterwards: readonly string[];
}

/** Proxmox's file system in a ring of three hosts: CPG carries every change, quorum decides who may write. */
export async function pmxcfsStory(): Promise<PmxcfsViews> {
  await must('make', ['-C', SOURCE, 'pmxcfs'], { timeoutMs: BUILD_MS });
  const packaged = await PackagedGround.create('ours');
  try {
    const hosts = await packaged.addHosts('node1', 'node2', 'node3');
    const [first, second] = hosts;
    if (first === undefined || second === undefined) throw new Error('three hosts');
    await startCluster('lab', hosts);
    for (const host of hosts) await mounted(host);
    const members = await online(second, 3);
    await first.tree.must('echo one >/etc/pve/first && mkdir -p /etc/pve/priv/lock');
    await sameEverywhere(hosts);
    const lock = 'mkdir /etc/pve/priv/lock/only-one';
    const locks = [(await first.tree.run(lock)).code, (await second.tree.run(lock)).code];
    await Promise.all(
      hosts.map(({ tree, name }) =>
        tree.must(
          `for i in $(seq ${FILES}); do echo ${name} $i >/etc/pve/${name}-$i; echo ${name} >/etc/pve/contended; done`,
        ),
      ),
    );
    const written = await sameEverywhere(hosts);

    await first.tree.must('kill -9 $(pidof corosync)');
    const withoutFirst = await online(second, 2);
    await second.tree.must('echo meanwhile >/etc/pve/meanwhile');
    await first.tree.must('rm -f /run/corosync.pid && systemctl start corosync');
    await online(second, 3);
    return { members, locks, written, withoutFirst, afterwards: await sameEverywhere(hosts) };
  } finally {
    await packaged.close();
  }
}

/** As Proxmox sets a node up: the file system has the configuration of the ring, from a start without it. */
async function mounted({ tree }: Host): Promise<void> {
  await tree.must('mkdir -p /var/lib/pve-cluster /etc/pve /var/lib/rrdcached/db');
  await tree.must(
    `cp '${SOURCE}/pmxcfs' /usr/bin/pmxcfs && pmxcfs -l && cp /etc/corosync/corosync.conf /etc/pve/corosync.conf`,
  );
  await tree.must('kill $(pidof pmxcfs) && while pidof pmxcfs; do sleep 0.1; done && pmxcfs');
}

function online({ tree }: Host, count: number): Promise<string> {
  let seen = '';
  return until(
    `${count} hosts online in .members`,
    async () => {
      seen = (await tree.run('cat /etc/pve/.members')).stdout;
      return seen.split('"online": 1').length - 1 === count && seen.includes('"quorate": 1') ? seen : null;
    },
    MEET_MS,
    300,
  ).catch(async (error: Error) => {
    throw new Error(
      `${error.message}: ${seen}\n${(await tree.run('tail -n 40 /var/log/corosync/corosync.log')).stdout}`,
    );
  });
}

/** Waits until the hosts have the same files with the same contents; the sums. */
function sameEverywhere(hosts: readonly Host[]): Promise<readonly string[]> {
  return until(
    'the same files everywhere',
    async () => {
      const sums = await Promise.all(
        hosts.map(
          async ({ tree }) =>
            (await tree.run('cd /etc/pve && find . -type f ! -name ".*" -exec sha256sum {} + | sort')).stdout,
        ),
      );
      return new Set(sums).size === 1 && sums[0] !== '' ? sums : null;
    },
    MEET_MS,
    300,
  );
}
