import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compareSequences, compareWithSent, LoadMember, settle } from './load.ts';
import {
  APT,
  buildPackage,
  type Host,
  NO_SERVICES,
  PackagedGround,
  type PackageKind,
  reach,
  startCluster,
} from './packaged.ts';
import { must, type Running, run, sleep, until } from './process.ts';

const ALL = /Online: \[ node1 node2 node3 \]/;
const MEET_MS = 60_000;
const QUIET_MS = 1_000;
const KEEP = '-o Dpkg::Options::=--force-confold';
/** Where records of load members are, in the tree of a host. */
const RECORDS = '/var/tmp';

/** The file of stock's package from which this machine has installed it, or `null`: the way back needs it. */
export async function stockPackage(): Promise<string | null> {
  const path = join('/var/cache/apt/archives', `corosync_${await stockVersion()}_amd64.deb`);
  return existsSync(path) ? path : null;
}

async function stockVersion(): Promise<string> {
  const { stdout } = await run('dpkg-query', ['-s', 'corosync']);
  return /^Version: (\S+)$/m.exec(stdout)?.[1] ?? 'none';
}

interface LoadedHost {
  readonly host: Host;
  readonly plan: { readonly name: string };
  readonly space: {
    readonly directory: string;
    readonly inside: string;
    start(command: string, args: readonly string[]): Running;
  };
}

type Member = LoadMember<LoadedHost>;

/** What a replacement showed: complaints about messages, quorum, resource; and how much went over the ring meanwhile. */
export interface Replacement {
  readonly host: string;
  readonly to: PackageKind;
  readonly complaints: readonly string[];
  readonly messages: number;
  readonly version: string;
}

/**
 * docs/packages.md, `From stock, and back`, on three hosts with stock's packages, Pacemaker, a resource and a process group whose members
 * send without pause. `back`: the hosts get stock's package again, one after the other.
 */
export class Migration {
  private members: Member[] = [];
  private seed = 1;

  private constructor(
    private readonly packaged: PackagedGround,
    readonly hosts: readonly LoadedHost[],
  ) {}

  static async start(directory: string): Promise<Migration> {
    const packaged = await PackagedGround.create('stock');
    const deb = await buildPackage(directory);
    const hosts = (await packaged.addHosts('node1', 'node2', 'node3')).map(loaded);
    for (const { host } of hosts) {
      await must('cp', [deb, `/proc/${host.tree.first}/root/root/`]);
      await host.tree.must(NO_SERVICES);
    }
    const migration = new Migration(packaged, hosts);
    await startCluster(
      'lab',
      hosts.map(({ host }) => host),
    );
    const [{ host: first }] = hosts as [LoadedHost];
    await reach(first, 'nodes online', ALL);
    await first.tree.must('crm_attribute -n stonith-enabled -v false');
    await first.tree.must('crm configure primitive dummy ocf:pacemaker:Dummy op monitor interval=5s');
    await reach(first, 'resource started', /dummy.*Started/);
    for (const host of hosts) migration.members.push(await LoadMember.join(host));
    await migration.met(3);
    return migration;
  }

  /** One host changes over, while the others go on. */
  async replace(at: number, to: PackageKind): Promise<Replacement> {
    const { members } = this;
    const leaving = members[at];
    const staying = members.filter((member) => member !== leaving);
    if (leaving === undefined) throw new Error(`no host ${at}`);
    await sleep(QUIET_MS); // the member that came last has what was sent, too
    for (const member of members) member.mark();
    const before = await staying[0]!.delivered();
    let under = true;
    const load = this.load(staying, () => under);
    const watch = this.watchQuorum(staying, () => under);
    const { tree, name } = leaving.node.host;
    const other = staying[0]!.node.host;
    const complaints: string[] = [];
    try {
      await tree.must(`crm node standby ${name}`);
      await reach(
        other,
        `${name} in standby, the resource elsewhere`,
        new RegExp(`Node ${name}: standby`),
        elsewhere(name),
      );
      await leaving.leave();
      await tree.must('systemctl stop pacemaker corosync && ! pidof corosync');
      await tree.must(
        `${APT} ${to === 'ours' ? `${KEEP} /root/corosync_*.deb` : `${KEEP} --allow-downgrades corosync=${await stockVersion()}`}`,
      );
      if (to === 'ours') await tree.must('rondo config check /etc/corosync/corosync.conf');
      await tree.must('systemctl start corosync pacemaker');
      await until(
        'three members',
        async () =>
          (await tree.run('corosync-quorumtool -s | grep -c " node[123]"')).stdout.trim() === '3' ? true : null,
        MEET_MS,
      );
      await tree.must(`crm node online ${name}`);
      await reach(other, `${name} online again`, ALL, /dummy.*Started/);
      this.members[at] = await LoadMember.join(leaving.node);
      await this.met(3);
    } finally {
      under = false;
      await load;
      complaints.push(...(await watch));
    }
    await settle(staying);
    complaints.push(...compareSequences(staying), ...compareWithSent(staying, true));
    const version = await tree.must('corosync -v');
    return { host: name, to, complaints, messages: (await staying[0]!.delivered()) - before, version };
  }

  /** Members of the group send a little all the time. */
  private async load(members: readonly Member[], under: () => boolean): Promise<void> {
    while (under()) {
      for (const member of members) member.send(40, 20, 20_000, this.seed++);
      await Promise.all(members.map((member) => member.allSent()));
    }
  }

  /** How often, and when, a host that stayed was not quorate. */
  private async watchQuorum(members: readonly Member[], under: () => boolean): Promise<string[]> {
    const complaints: string[] = [];
    while (under())
      for (const { node } of members) {
        const { stdout, stderr } = await node.host.tree.run('corosync-quorumtool -s');
        if (!/^Quorate:\s+Yes$/m.test(stdout)) complaints.push(`${node.plan.name} is not quorate: ${stdout}${stderr}`);
      }
    return complaints;
  }

  private async met(count: number): Promise<void> {
    for (const member of this.members) await member.process.waitFor(new RegExp(`members ${count}\\n[^]*$`), MEET_MS);
  }

  async close(): Promise<void> {
    for (const member of this.members) await member.process.stop('SIGKILL');
    await this.packaged.close();
  }
}

function elsewhere(name: string): RegExp {
  return new RegExp(`dummy.*Started (?!${name})node`);
}

function loaded(host: Host): LoadedHost {
  return {
    host,
    plan: { name: host.name },
    space: {
      directory: `/proc/${host.tree.first}/root${RECORDS}`,
      inside: RECORDS,
      start: (command, args) => host.tree.start(command, args),
    },
  };
}
