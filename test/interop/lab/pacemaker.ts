import { Lab } from './lab.ts';
import type { DaemonKind, LabNode } from './node.ts';
import { type Running, sleep, until } from './process.ts';

const ONLINE_MS = 120_000;
const STEP_MS = 90_000;
/** crm_mon works for longer than other tools. */
const LOOK_EVERY_MS = 400;
/** Operations under way come and go. */
const PENDING = / \((Monitoring|Starting|Stopping)\)$/;
/** The resource prefers low node ids, so that its place is the same in every run. */
const PREFERENCES = [300, 200, 100];

/** A cluster with Pacemaker on every node, and one Dummy resource. */
export class PacemakerLab {
  private readonly managers = new Map<LabNode, Running>();

  private constructor(readonly lab: Lab) {}

  static async up(kinds: readonly DaemonKind[]): Promise<PacemakerLab> {
    const lab = await Lab.up({ transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' } }, kinds);
    const pacemaker = new PacemakerLab(lab);
    for (const node of lab.nodes) pacemaker.startManager(node);
    return pacemaker;
  }

  startManager(node: LabNode): void {
    this.managers.set(node, node.space.start('pacemakerd'));
  }

  /** Orderly: Pacemaker first, then the daemon, as an administrator does. */
  async stopNode(node: LabNode): Promise<number | null> {
    await this.managers.get(node)?.stop('SIGTERM', 60_000);
    return node.stopDaemon();
  }

  startNode(node: LabNode): void {
    node.startDaemon();
  }

  /** The daemon dies; Pacemaker notices by itself and ends. */
  async killNode(node: LabNode): Promise<void> {
    await node.killDaemon();
    await Promise.race([this.managers.get(node)?.exited, sleep(30_000)]);
    // What it leaves running would still own its sockets.
    await node.space.run('sh', ['-c', 'for p in $(pgrep -x "pacemaker.*" --ns $$ --nslist net); do kill -9 $p; done']);
  }

  async must(node: LabNode, command: string, ...args: readonly string[]): Promise<string> {
    return node.space.must(command, args);
  }

  /** What crm_mon says of nodes and resources, as the node sees it; without times, versions and the DC's name. */
  async view(node: LabNode): Promise<string[]> {
    const { stdout } = await node.tool('crm_mon', '-1', '--inactive');
    const body = stdout.slice(Math.max(stdout.indexOf('Node List:'), 0));
    const summary = /^\s+\* Stack: .*$/m.exec(stdout)?.[0] ?? '';
    const quorum = /partition (with|WITHOUT) quorum/.exec(stdout)?.[0] ?? 'no DC';
    return [summary, quorum, ...body.split('\n')]
      .map((line) => line.replace(PENDING, '').trim())
      .filter((line) => line !== '');
  }

  /** Waits until the view of a node has all of the patterns; returns it. */
  async reach(node: LabNode, what: string, ...patterns: readonly RegExp[]): Promise<string[]> {
    let seen: string[] = [];
    return until(
      what,
      async () => {
        seen = await this.view(node);
        const text = seen.join('\n');
        return patterns.every((pattern) => pattern.test(text)) ? seen : null;
      },
      what.startsWith('nodes online') ? ONLINE_MS : STEP_MS,
      LOOK_EVERY_MS,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; crm_mon on ${node.plan.name}: ${seen.join(' / ')}\n${this.lab.logs()}`);
    });
  }

  async addDummy(): Promise<void> {
    const node = this.lab.node(1);
    await this.must(node, 'crm_attribute', '-n', 'stonith-enabled', '-v', 'false');
    const operations = '<operations><op id="dummy-monitor" name="monitor" interval="5s"/></operations>';
    const primitive = `<primitive id="dummy" class="ocf" provider="pacemaker" type="Dummy">${operations}</primitive>`;
    await this.must(node, 'cibadmin', '-C', '-o', 'resources', '-X', primitive);
    for (const [at, score] of PREFERENCES.entries()) {
      const rule = `<rsc_location id="at-${at + 1}" rsc="dummy" node="node${at + 1}" score="${score}"/>`;
      await this.must(node, 'cibadmin', '-C', '-o', 'constraints', '-X', rule);
    }
  }

  async close(): Promise<void> {
    for (const manager of this.managers.values()) manager.signal('SIGKILL');
    await this.lab.close();
  }
}
