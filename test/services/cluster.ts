import { memoryTrackingFile, type TrackingFile } from '../../src/services/votequorum/tracking-file.ts';
import { type NodeSettings, nodeList, QuorumNode } from '../../src/testing/quorum-node.ts';
import { FakeRing } from './fake-ring.ts';

export { type NodeSettings, nodeList, QuorumNode } from '../../src/testing/quorum-node.ts';

/** Nodes 1..n with the same quorum options, in the middle of nothing. */
export class QuorumCluster {
  readonly ring: FakeRing;
  readonly ids: readonly number[];
  private readonly files = new Map<number, TrackingFile>();

  constructor(
    size: number,
    private readonly settings: NodeSettings = {},
    readonly options: { readonly seed?: number; readonly votes?: Readonly<Record<number, number>> } = {},
  ) {
    this.ring = new FakeRing(options.seed ?? 1);
    this.ids = Array.from({ length: size }, (_, i) => i + 1);
  }

  async boot(nodeId: number): Promise<QuorumNode> {
    const file = this.files.get(nodeId) ?? memoryTrackingFile();
    this.files.set(nodeId, file);
    const settings = {
      'quorum.provider': 'corosync_votequorum',
      ...nodeList(this.ids, nodeId, this.options.votes),
      ...this.settings,
    };
    const node = new QuorumNode(this.ring, nodeId, settings, file);
    await node.start();
    this.ring.add(node);
    return node;
  }

  /** Boots all nodes and lets them form one ring. */
  async bootAll(): Promise<this> {
    for (const nodeId of this.ids) await this.boot(nodeId);
    this.form(this.ids);
    return this;
  }

  node(nodeId: number): QuorumNode {
    const node = this.ring.nodes.get(nodeId);
    if (!(node instanceof QuorumNode)) throw new Error(`node ${nodeId} is not there`);
    return node;
  }

  form(...groups: (readonly number[])[]): void {
    this.ring.partition(...groups.map((group) => [...group]));
    this.ring.settle();
  }

  summaries(): Record<number, string> {
    return Object.fromEntries(
      this.ring
        .alive()
        .map((node): [number, string] => [node.nodeId, this.node(node.nodeId).summary()])
        .sort(([a], [b]) => a - b),
    );
  }

  /** Fails unless all living nodes say the same, then gives it. */
  common(): string {
    const all = [...new Set(Object.values(this.summaries()))];
    if (all.length !== 1) throw new Error(`nodes differ: ${JSON.stringify(this.summaries())}`);
    return all[0]!;
  }
}
