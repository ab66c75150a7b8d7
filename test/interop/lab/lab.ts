import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeOwnDirectory } from '../../../src/os/own-file.ts';
import { type ClusterOptions, corosyncConf, type NodePlan, planNode } from './conf.ts';
import { NEWER_ROOT } from './host.ts';
import { loggedRing } from './logged-ring.ts';
import { type DaemonKind, LabNode } from './node.ts';
import { isAlive, killMarked, MARK_VALUE, PROCESS_SPACE, until } from './process.ts';
import { Space } from './space.ts';

/** Daemons are asked this often, whatever their logs say. */
const ASK_ANYWAY_MS = 1_500;
const PREFIX = 'rondo-lab-';
/** Labs of this process that stand: the last one to close cleans up. */
let standing = 0;
const DEFAULT_KEY = Buffer.alloc(256, 'lab key ');

/**
 * A cluster in network namespaces: a switch (one bridge a link) and a host for each node, every node with stock
 * Corosync or with our daemon.
 *
 *     node1 eth0 ── n1l0 ┐            eth0, eth1 …: one a link
 *     node2 eth0 ── n2l0 ┼ br0        bridges live in the namespace `switch`
 *     node3 eth0 ── n3l0 ┘
 */
export class Lab {
  readonly nodes: LabNode[] = [];

  private constructor(
    readonly options: ClusterOptions,
    readonly directory: string,
    readonly wire: Space,
  ) {}

  /** Builds the hosts; no daemon is started. */
  static async create(options: ClusterOptions, kinds: readonly DaemonKind[]): Promise<Lab> {
    sweep();
    const directory = mkdtempSync(join(tmpdir(), `${PREFIX}${MARK_VALUE}-`));
    standing += 1;
    const wire = await Space.create('switch', join(directory, 'switch'));
    const lab = new Lab(options, directory, wire);
    const links = options.links ?? 1;
    const bridges = Array.from({ length: links }, (_, link) => [
      `link add br${link} type bridge mcast_snooping 0 forward_delay 0`,
      `link set br${link} mtu ${options.mtu ?? 1500} up`,
    ]);
    await wire.must('ip', ['-batch', '-'], { input: `${bridges.flat().join('\n')}\n` });
    const plans = kinds.map((_, at) => planNode(at + 1, links, options.family ?? 4));
    await Promise.all(kinds.map((kind, at) => lab.addNode(plans[at] ?? planNode(at + 1, links, 4), plans, kind)));
    lab.nodes.sort((one, other) => one.id - other.id);
    lab.writeConfs();
    return lab;
  }

  /** Builds the hosts, starts all daemons, at once or one after the other, and waits until they are one ring. */
  static async up(options: ClusterOptions, kinds: readonly DaemonKind[], inTurn = false): Promise<Lab> {
    const lab = await Lab.create(options, kinds);
    try {
      for (const node of lab.nodes) {
        node.startDaemon();
        if (inTurn) await lab.waitRing(lab.nodes.slice(0, node.id));
      }
      await lab.waitRing(lab.nodes);
      return lab;
    } catch (error) {
      const logs = lab.logs();
      await lab.close();
      throw new Error(`${error instanceof Error ? error.message : error}\n${logs}`);
    }
  }

  async addNode(plan: NodePlan, all: readonly NodePlan[], kind: DaemonKind): Promise<LabNode> {
    const hosts = all.map((other) => `${other.addresses[0]} ${other.name}\n`).join('');
    const space = await Space.create(plan.name, join(this.directory, plan.name), hosts);
    const mtu = this.options.mtu ?? 1500;
    const plugs: string[] = [];
    const sockets: string[] = [];
    plan.addresses.forEach((address, link) => {
      const port = `n${plan.id}l${link}`;
      plugs.push(`link add ${port} mtu ${mtu} type veth peer name eth${link} mtu ${mtu} netns ${space.pid}`);
      plugs.push(`link set ${port} master br${link} up`);
      const [length, flags] = address.includes(':') ? [64, ' nodad'] : [24, ''];
      sockets.push(`addr add ${address}/${length} dev eth${link}${flags}`, `link set eth${link} up`);
    });
    await this.wire.must('ip', ['-batch', '-'], { input: `${plugs.join('\n')}\n` });
    await space.must('ip', ['-batch', '-'], { input: `${sockets.join('\n')}\n` });
    // Multicast needs a route.
    await space.run('ip', ['route', 'add', '224.0.0.0/4', 'dev', 'eth0']);
    if (kind === 'newer') await space.share(NEWER_ROOT);
    const node = new LabNode(plan, space, kind, this.options.build);
    node.writeKey(DEFAULT_KEY);
    this.nodes.push(node);
    return node;
  }

  /** Writes corosync.conf of every node, with changes if given. */
  writeConfs(changes: Partial<ClusterOptions> = {}, nodes: readonly LabNode[] = this.nodes): void {
    const plans = nodes.map((node) => node.plan);
    for (const node of nodes) node.writeConf(corosyncConf({ ...this.options, ...changes }, plans));
  }

  node(id: number): LabNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /**
   * Waits until all of `nodes` report exactly each other as members, and the same ring. Their tools are asked when
   * their logs have it: that takes five processes a node, and many of them keep a busy machine from forming rings.
   */
  async waitRing(nodes: readonly LabNode[], timeoutMs = 30_000): Promise<void> {
    const wanted = nodes.map((node) => node.id).join(' ');
    let seen: string[] = [];
    let askAt = Date.now() + ASK_ANYWAY_MS;
    await until(
      `members ${wanted} on ${nodes.map((node) => node.plan.name).join(', ')}`,
      async () => {
        const dead = nodes.find((node) => !node.daemon?.alive);
        if (dead)
          throw new Error(`${dead.plan.name}: the daemon has ended: ${dead.daemon?.output}${dead.daemon?.errors}`);
        if (Date.now() < askAt && !mayBeRing(nodes, wanted)) return null;
        askAt = Date.now() + ASK_ANYWAY_MS;
        const views = await Promise.all(nodes.map((node) => node.membership()));
        seen = views.map(
          ({ members, ring }) => `${members === null ? 'no response' : members.join(' ')} (ring ${ring})`,
        );
        const agreed = views.every(({ members }) => members?.join(' ') === wanted);
        return agreed && new Set(views.map(({ ring }) => ring)).size === 1 ? true : null;
      },
      timeoutMs,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; seen: ${seen.join(', ')}`);
    });
  }

  /** The ends of all logs, for the report of a failure. */
  logs(lines = 25): string {
    return this.nodes
      .map((node) => {
        const errors = node.daemon?.errors.trimEnd().split('\n').slice(-lines).join('\n') ?? '';
        return `--- ${node.plan.name} (${node.kind})\n${node.log(true).trimEnd().split('\n').slice(-lines).join('\n')}\n${errors}`;
      })
      .join('\n');
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    await Promise.all(this.nodes.map((node) => node.space.close()));
    await this.wire.close();
    standing -= 1;
    if (standing === 0) killMarked(true);
    if (process.env['RONDO_LAB_KEEP'] === undefined) rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Whether the logs leave it possible that these nodes are one ring; those that write no log leave everything possible. */
function mayBeRing(nodes: readonly LabNode[], wanted: string): boolean {
  const rings = nodes.map((node) => (existsSync(node.logFile) ? loggedRing(node.log()) : undefined));
  if (rings.some((ring) => ring === null || (ring !== undefined && ring.members.join(' ') !== wanted))) return false;
  return new Set(rings.flatMap((ring) => ring?.id ?? [])).size <= 1;
}

/** Ring id as the quorum service has it, or `null` without that service. */
export async function ringId(node: LabNode): Promise<string | null> {
  return (await node.membership()).ring;
}

/** Removes what runs that died have left behind. */
function sweep(): void {
  killMarked(false);
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${PREFIX}${PROCESS_SPACE}-(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || Number(owner) === process.pid || isAlive(Number(owner))) continue;
    removeOwnDirectory(join(tmpdir(), name));
  }
}
