import type { Lab } from '../lab/lab.ts';
import type { LabNode } from '../lab/node.ts';
import { type Running, until } from '../lab/process.ts';
import { program } from '../lab/programs.ts';

/** What the nodes of a cluster show, by name, and what the tools printed after the last step. */
export type View = Record<string, string[]>;

const SHOWS_MS = 15_000;
const CUTS_MAX = 4;

/** One of the two clusters of a story about votes. */
export class Side {
  private readonly devices = new Map<number, Running>();
  private said: string[] = [];

  constructor(readonly lab: Lab) {}

  node(id: number): LabNode {
    return this.lab.node(id);
  }

  living(): LabNode[] {
    return this.lab.nodes.filter((node) => node.daemon?.alive);
  }

  /** What `corosync-quorumtool -s` and the keys say on every living node, without what differs between two runs. */
  async view(): Promise<View> {
    const living = this.living();
    const outputs = await Promise.all(living.map((node) => node.space.run('sh', ['-c', VIEW])));
    const views: View = { said: this.said };
    for (const [at, node] of living.entries()) views[node.plan.name] = steady(outputs[at]?.stdout ?? '');
    return views;
  }

  /** A new step begins: what was printed before is forgotten. */
  begin(): void {
    this.said = [];
  }

  /** A daemon stalled for so long that a token may have been lost. */
  hasStarved(): boolean {
    return this.lab.nodes.some((node) => node.hasStalled());
  }

  /**
   * Cuts the network between the groups. On a busy machine a group may come together in several steps; then tie breakers decide
   * another way, on stock as on ours, so that the cut is done again.
   */
  async split(groups: readonly (readonly number[])[]): Promise<void> {
    for (let tries = 1; ; tries++) {
      const before = this.memberships();
      await this.cut(groups);
      if (tries === CUTS_MAX || this.memberships().every((count, at) => count - (before[at] ?? 0) === 1)) return;
      await this.heal();
    }
  }

  /** How many memberships each node has seen, by its log. */
  private memberships(): number[] {
    return this.living().map((node) => node.log(true).split('A new membership').length);
  }

  private async cut(groups: readonly (readonly number[])[]): Promise<void> {
    const cuts = groups.flatMap((group) => {
      const others = this.lab.nodes.filter((node) => !group.includes(node.id));
      return group.map((id) => this.node(id).cut({ peers: others }));
    });
    await Promise.all(cuts);
    await Promise.all(groups.map((group) => this.lab.waitRing(group.map((id) => this.node(id)))));
  }

  async heal(): Promise<void> {
    await Promise.all(this.lab.nodes.map((node) => node.heal()));
    await this.together();
  }

  async together(): Promise<void> {
    await this.lab.waitRing(this.living());
  }

  /** Runs a tool; its status and its first line must be the same on both sides. */
  async tool(id: number, name: string, ...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await this.node(id).tool(name, ...args);
    this.said.push(`${name} ${args.join(' ')}: status ${code}`, `${stdout}${stderr}`.split('\n')[0] ?? '');
  }

  /** Waits until every living node shows this, or only one node. */
  async shows(pattern: RegExp, id?: number): Promise<void> {
    let seen: View = {};
    const names = (id === undefined ? this.living() : [this.node(id)]).map((node) => node.plan.name);
    const matches = async (): Promise<true | null> => {
      seen = await this.view();
      return names.every((name) => seen[name]?.some((line) => pattern.test(line))) ? true : null;
    };
    await until(`${pattern} on ${names.join(', ')}`, matches, SHOWS_MS).catch((error: Error) => {
      throw new Error(`${error.message}; seen: ${JSON.stringify(seen, null, 1)}`);
    });
  }

  /** A command for the program that plays the quorum device of a node. */
  async device(id: number, command: string): Promise<void> {
    let running = this.devices.get(id);
    if (running === undefined || !running.alive) {
      running = this.node(id).space.start(await program('qdevice'));
      this.devices.set(id, running);
      await running.waitFor(/^start 1$/m);
    }
    running.output = '';
    running.write(`${command}\n`);
    const [output] = await running.waitFor(new RegExp(`^${command} \\d+$`, 'm'));
    this.said.push(output);
  }

  async close(): Promise<void> {
    await Promise.all([...this.devices.values()].map((device) => device.stop('SIGKILL')));
    await this.lab.close();
  }
}

const VIEW = 'corosync-quorumtool -s; echo "status $?"; corosync-cmapctl runtime.votequorum.';

function steady(output: string): string[] {
  const lines = output.split('\n').map((line) => line.trimEnd());
  const kept = lines.filter((line) => line !== '' && !/^(Date|Ring ID|---)/.test(line));
  // Lowest and highest id are those of the last moment with quorum; without quorum that moment depends on timing.
  const quorate = kept.some((line) => /^Quorate:\s+Yes/.test(line));
  return quorate ? kept : kept.filter((line) => !/\.(?:lowest|highest)_node_id /.test(line));
}
