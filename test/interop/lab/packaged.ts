import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCommand, overlayUnavailable, pacemakerUnavailable, ROOT } from './host.ts';
import { must, until } from './process.ts';
import { Ground, RootTree } from './root-tree.ts';

const BUILD_MS = 600_000;
const NODE_MS = 120_000;
const NETWORK = '10.78.0';

/** Whose package the hosts have: stock's is that of this machine. */
export type PackageKind = 'ours' | 'stock';

/** Why a story on hosts with our package cannot run here; `programs` are those of Debian's that it needs besides Pacemaker. */
export function packagedUnavailable(...programs: readonly string[]): string | false {
  const missing = ['dpkg-deb', 'apt-get', ...programs].filter((program) => !hasCommand(program));
  return pacemakerUnavailable() || (missing.length > 0 ? `needs Debian’s ${missing.join(', ')}` : overlayUnavailable());
}

/** A host of a packaged ground. `tree` is another one after its power was off. */
export interface Host {
  readonly name: string;
  readonly address: string;
  tree: RootTree;
  /** What it had on its disk each time when its power went, the last one first. */
  readonly disks: string[];
}

/** A network whose hosts have one of the packages: ours is built, and installed by `apt-get` in the place of stock's, in the layer below them. */
export class PackagedGround {
  readonly hosts: Host[] = [];
  private lines = 0;

  private constructor(
    private readonly directory: string,
    readonly ground: Ground,
    private readonly layers: readonly string[],
  ) {}

  static async create(kind: PackageKind): Promise<PackagedGround> {
    const directory = mkdtempSync(join(tmpdir(), 'rondo-package-'));
    const ground = await Ground.create(join(directory, 'ground'));
    const layers = kind === 'ours' ? [await installed(ground, directory)] : [];
    return new PackagedGround(directory, ground, layers);
  }

  /** Adds hosts, which know each other's names; none is configured yet. */
  async addHosts(...names: readonly string[]): Promise<readonly Host[]> {
    const first = this.hosts.length + 1;
    const known = names.map((name, at) => `${addressOf(first + at)} ${name}`).join('\n');
    const added: Host[] = [];
    for (const [at, name] of names.entries()) {
      const tree = await this.powered(name, addressOf(first + at), this.layers);
      const host: Host = { name, address: addressOf(first + at), tree, disks: [] };
      this.hosts.push(host);
      added.push(host);
      await tree.serviceScripts();
      await tree.write('/etc/hosts', `127.0.0.1 localhost\n${known}`);
      await tree.must(CLEAR);
    }
    return added;
  }

  /** The host again, with what it had on its disk when its power went. */
  async powerOn(host: Host): Promise<void> {
    await host.tree.close();
    host.disks.unshift(host.tree.upper);
    host.tree = await this.powered(host.name, host.address, [...host.disks, ...this.layers]);
    await host.tree.must('mkdir -p /run/lock /run/systemd/system');
  }

  private async powered(name: string, address: string, layers: readonly string[]): Promise<RootTree> {
    this.lines += 1; // the old line of a host may be there for a moment longer than it
    const tree = await RootTree.over(this.ground, `${name}-${this.lines}`, { layers, host: name });
    await this.ground.wire(tree, `host${this.lines}`, address);
    return tree;
  }

  async close(): Promise<void> {
    for (const { tree } of this.hosts) await tree.close();
    await this.ground.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function installed(ground: Ground, directory: string): Promise<string> {
  const deb = await buildPackage(directory);
  const base = await RootTree.over(ground, 'base');
  await must('cp', [deb, `/proc/${base.first}/root/package.deb`]);
  await base.must(NO_SERVICES);
  await base.must(`${APT} --no-install-recommends -o Dpkg::Options::=--force-confnew /package.deb`, BUILD_MS);
  await base.close();
  return base.upper;
}

/** Path of our package, which is packed in a moment. */
export async function buildPackage(directory: string): Promise<string> {
  const words = [join(ROOT, 'scripts/package/deb.mjs'), '--out', directory, '--compression', 'none'];
  await must(process.execPath, words, { timeoutMs: BUILD_MS });
  const [deb = ''] = readdirSync(directory).filter((file) => file.endsWith('.deb'));
  return join(directory, deb);
}

export const APT = 'DEBIAN_FRONTEND=noninteractive apt-get install -y';
/** Nobody but the test starts services. */
export const NO_SERVICES = 'printf "#!/bin/sh\\nexit 101\\n" >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d';

/** What this machine's own cluster programs have left. */
const CLEAR = [
  'rm -rf /etc/corosync/corosync.conf /etc/corosync/authkey /etc/corosync/qnetd/nssdb /etc/pacemaker/authkey',
  'rm -rf /var/lib/corosync/* /var/lib/pcsd/* /var/lib/pacemaker/cib/* /var/log/corosync/* /var/log/pacemaker/* /var/log/pcsd/*',
  'mkdir -p /run/lock /etc/pacemaker',
].join(' && ');

function addressOf(last: number): string {
  return `${NETWORK}.${last}`;
}

/** Makes the hosts a ring and starts it, with Pacemaker on top, by the scripts of the packages; the first one has node id 1. */
export async function startCluster(cluster: string, hosts: readonly Host[]): Promise<void> {
  const nodes = hosts.map(
    ({ name, address }, at) => `  node {\n    ring0_addr: ${address}\n    name: ${name}\n    nodeid: ${at + 1}\n  }`,
  );
  const conf = [
    `totem {\n  version: 2\n  cluster_name: ${cluster}\n  transport: knet\n  token: 2000\n}`,
    `nodelist {\n${nodes.join('\n')}\n}`,
    'quorum {\n  provider: corosync_votequorum\n}',
    'logging {\n  to_logfile: yes\n  logfile: /var/log/corosync/corosync.log\n  to_syslog: no\n  timestamp: on\n}',
  ];
  for (const { tree } of hosts) await tree.write('/etc/corosync/corosync.conf', conf.join('\n'));
  await Promise.all(hosts.map(startNode));
}

export async function startNode({ tree }: Host): Promise<void> {
  await tree.must(`systemctl start corosync && systemctl start pacemaker || { ${LOGS}; exit 1; }`);
}

/** Waits until `crm_mon` of a host has all of the patterns; returns what it says. */
export async function reach({ tree }: Host, what: string, ...patterns: readonly RegExp[]): Promise<string> {
  let seen = '';
  return until(
    what,
    async () => {
      seen = (await tree.run('crm_mon -1 --inactive 2>&1')).stdout;
      return patterns.every((pattern) => pattern.test(seen)) ? seen : null;
    },
    NODE_MS,
    400,
  ).catch(async (error: Error) => {
    const logs = await tree.run(LOGS);
    throw new Error(`${error.message}\n${seen}\n${logs.stdout}`);
  });
}

const LOGS =
  'ps ax | head -80; tail -n 40 /var/log/corosync/corosync.log /var/log/units; tail -n 60 /var/log/pacemaker/pacemaker.log';
