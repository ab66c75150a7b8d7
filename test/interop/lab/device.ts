import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './host.ts';
import { Lab } from './lab.ts';
import type { DaemonKind, LabNode } from './node.ts';
import { type Running, sleep, until } from './process.ts';

const QNETD_ADDRESS = '10.91.0.200';
const STATE_MS = 40_000;

export interface DeviceOptions {
  readonly algorithm: 'ffsplit' | 'lms' | '2nodelms';
  readonly tls: 'off' | 'required';
  /** Further lines for `device {}`. */
  readonly device?: readonly string[];
  /** Whose arbiter it is. Default: stock's. */
  readonly server?: DaemonKind;
  /** Whose device runs on the nodes. Default: stock's. */
  readonly client?: DaemonKind;
}

/** What the stock tools say on every node of a cluster with a device, and on the device's server. */
export type DeviceView = Readonly<Record<string, readonly string[]>>;

/** A cluster, Corosync's own qdevice on each of its nodes, and its own qnetd on a host beside it. */
export class DeviceLab {
  private readonly devices = new Map<LabNode, Running>();
  private server: Running | null = null;

  private constructor(
    readonly lab: Lab,
    private readonly options: DeviceOptions,
  ) {}

  static async create(options: DeviceOptions, kinds: readonly DaemonKind[]): Promise<DeviceLab> {
    const net = [`host: ${QNETD_ADDRESS}`, `algorithm: ${options.algorithm}`, `tls: ${options.tls}`];
    const inner = ['model: net', 'timeout: 4000', 'sync_timeout: 6000', ...(options.device ?? [])];
    const device = [...inner, 'net {', ...net, '}'];
    const quorum = ['provider: corosync_votequorum', 'device {', ...device, '}'];
    const lab = await Lab.create({ transport: 'knet', quorum }, kinds);
    try {
      await lab.wire.must('ip', ['addr', 'add', `${QNETD_ADDRESS}/24`, 'dev', 'br0']);
      if (options.tls !== 'off') await certificates(lab);
      return new DeviceLab(lab, options);
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  async startServer(): Promise<void> {
    await this.lab.wire.must('mkdir', ['-p', '/run/corosync-qnetd', '/etc/corosync/qnetd']);
    const tls = this.options.tls === 'off' ? 'off' : 'on';
    this.server = this.lab.wire.start(programOf('corosync-qnetd', this.options.server), ['-f', '-4', '-s', tls]);
    // Whoever comes too early waits for seconds before the next try.
    await until(
      'the server',
      async () => ((await this.lab.wire.run('corosync-qnetd-tool', ['-s'])).code === 0 ? true : null),
      STATE_MS,
    );
  }

  async stopServer(): Promise<void> {
    await this.server?.stop('SIGKILL');
  }

  async startDevice(node: LabNode): Promise<void> {
    await node.space.must('mkdir', ['-p', '/run/corosync-qdevice']);
    this.devices.set(node, node.space.start(programOf('corosync-qdevice', this.options.client), ['-f']));
  }

  async stopDevice(node: LabNode, signal: NodeJS.Signals): Promise<void> {
    await this.devices.get(node)?.stop(signal);
  }

  /** Waits for this quorate flag on every node that runs, by node id. */
  async reach(quorate: Readonly<Record<number, boolean>>): Promise<void> {
    let seen: string[] = [];
    const wanted = Object.entries(quorate).map(([id, flag]) => `${id} ${flag ? 'Yes' : 'No'}`);
    await until(
      `quorate flags ${wanted.join(', ')}`,
      async () => {
        const living = this.lab.nodes.filter((node) => node.daemon?.alive);
        const outputs = await Promise.all(living.map((node) => node.tool('corosync-quorumtool', '-s')));
        seen = outputs.map(({ stdout }, at) => `${living[at]?.id} ${/^Quorate:\s+(\w+)$/m.exec(stdout)?.[1]}`);
        return seen.join() === wanted.join() ? true : null;
      },
      STATE_MS,
      250,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; seen: ${seen.join(', ')}\n${this.lab.logs()}\n${this.server?.errors}`);
    });
  }

  /** The status of quorum, of the device and of its server. */
  async view(): Promise<DeviceView> {
    const views: Record<string, readonly string[]> = {};
    for (const node of this.lab.nodes.filter((candidate) => candidate.daemon?.alive)) {
      const { name } = node.plan;
      const quorum = lines(await node.tool('corosync-quorumtool', '-s'));
      const keys = lines(await node.tool('corosync-cmapctl', 'runtime.votequorum.', 'quorum.'));
      views[`${name} quorum`] = quorum;
      // The ids at the time of the last quorum: who still counted then depends on whether the device noticed before.
      views[`${name} keys`] = quorum.some((line) => /^Quorate:\s+Yes/.test(line)) ? keys : keys.filter(isNoLastId);
      views[`${name} device`] = lines(await node.tool('corosync-qdevice-tool', '-s'));
    }
    views['server'] = lines(await this.lab.wire.run('corosync-qnetd-tool', ['-l']));
    return views;
  }

  /** The last lines of what devices and server wrote. */
  logs(lines: number): string {
    const last = (text: string): string => text.trimEnd().split('\n').slice(-lines).join('\n');
    const devices = [...this.devices].map(([node, { errors }]) => `--- device of ${node.plan.name}\n${last(errors)}`);
    return [...devices, `--- server\n${last(this.server?.errors ?? '')}`].join('\n');
  }

  async close(): Promise<void> {
    for (const device of this.devices.values()) device.signal('SIGKILL');
    this.server?.signal('SIGKILL');
    await sleep(100);
    await this.lab.close();
  }
}

/** Stock's program, or ours of that name. */
function programOf(name: string, kind: DaemonKind = 'stock'): string {
  if (kind === 'stock') return name;
  const directory = join(ROOT, 'dist/lab-tools');
  const path = join(directory, name);
  mkdirSync(directory, { recursive: true });
  if (!existsSync(path)) symlinkSync(join(ROOT, 'bin/corosync-tool'), path);
  return path;
}

/** Without what differs between two runs: dates, rings, TCP ports, and which reply was the last besides the valid one. */
function lines({ code, stdout }: { readonly code: number; readonly stdout: string }): string[] {
  const kept = stdout.split('\n').filter((line) => line.trim() !== '' && !/^(Date|Ring ID|---)/.test(line));
  return [`status ${code}`, ...kept.map(steady)];
}

function isNoLastId(line: string): boolean {
  return !/\.(?:lowest|highest)_node_id /.test(line);
}

function steady(line: string): string {
  return line
    .trimEnd()
    .replace(/(Client address:.*):\d+$/, '$1')
    .replace(/(Vote:\s+).*\((\w+)\)$/, '$1$2');
}

/** Those of the first lab of this process, its arbiter's and then its nodes': making them takes seconds. */
let made: readonly (readonly [string, Buffer])[][] | null = null;

async function certificates(lab: Lab): Promise<void> {
  const nodes = lab.nodes.map(({ space }) => join(space.directory, 'etc/qdevice'));
  const places = [join(lab.wire.directory, 'etc/qnetd'), ...nodes];
  if (made?.length !== places.length) {
    await makeCertificates(lab);
    made = places.map((place) =>
      readdirSync(place, { recursive: true, encoding: 'utf8' })
        .filter((name) => statSync(join(place, name)).isFile())
        .map((name) => [name, readFileSync(join(place, name))] as const),
    );
    return;
  }
  for (const [at, place] of places.entries()) {
    for (const [name, bytes] of made[at]!) {
      mkdirSync(dirname(join(place, name)), { recursive: true });
      writeFileSync(join(place, name), bytes, { mode: 0o600 });
    }
  }
}

/** As the manual has it: an authority on the server, one certificate of the cluster signed by it, on all nodes. */
async function makeCertificates(lab: Lab): Promise<void> {
  const timeout = { timeoutMs: 60_000 };
  const qnetd = join(lab.wire.directory, 'etc/qnetd/nssdb');
  mkdirSync(join(lab.wire.directory, 'etc/qnetd'), { recursive: true });
  await lab.wire.must('corosync-qnetd-certutil', ['-i'], timeout);
  const folder = (node: LabNode): string => join(node.space.directory, 'etc/qdevice/net/nssdb');
  const utility = async (node: LabNode, ...args: readonly string[]): Promise<void> => {
    await node.space.must('corosync-qdevice-net-certutil', args, timeout);
  };
  for (const node of lab.nodes) {
    copyFileSync(join(qnetd, 'qnetd-cacert.crt'), join(node.space.directory, 'etc/ca.crt'));
    await utility(node, '-i', '-c', '/etc/corosync/ca.crt');
  }
  const [first, ...others] = lab.nodes;
  if (first === undefined) return;
  await utility(first, '-r', '-n', 'lab');
  copyFileSync(join(folder(first), 'qdevice-net-node.crq'), join(lab.wire.directory, 'etc/lab.crq'));
  await lab.wire.must('corosync-qnetd-certutil', ['-s', '-c', '/etc/corosync/lab.crq', '-n', 'lab'], timeout);
  copyFileSync(join(qnetd, 'cluster-lab.crt'), join(folder(first), 'cluster-lab.crt'));
  await utility(first, '-M', '-c', '/etc/corosync/qdevice/net/nssdb/cluster-lab.crt');
  for (const node of others) {
    copyFileSync(join(folder(first), 'qdevice-net-node.p12'), join(folder(node), 'qdevice-net-node.p12'));
    await utility(node, '-m', '-c', '/etc/corosync/qdevice/net/nssdb/qdevice-net-node.p12');
  }
}
