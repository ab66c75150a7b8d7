import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DemoNode, findPort, writeLayout } from '../cli/demo/generate.ts';
import type { ConnectOptions } from '../client/session.ts';
import type { LogFunction } from '../lib/log.ts';
import { createNode, type EmbeddedNode } from './create-node.ts';
import { NodeError } from './errors.ts';

export interface LoopbackOptions {
  /** Default `udpu`; `knet` encrypts, and notices a dead node at once. */
  readonly transport?: 'knet' | 'udpu';
  /** Further sections of the configuration, for example `service { … }`. */
  readonly config?: string;
  /** Gets the log of every node. */
  readonly log?: (nodeId: number, ...line: Parameters<LogFunction>) => void;
}

const NODES_MAX = 9;

/**
 * Real nodes in this process, on 127.0.0.1, 127.0.0.2, …, in real time, without root: for what a cluster in virtual time does not have
 * (`rondo/testing`), such as real sockets, a real ring, full queues.
 */
export class LoopbackNodes {
  readonly nodeIds: readonly number[];
  private readonly running = new Map<number, EmbeddedNode>();
  /** Who hears whom; `null`: all do. */
  private groups: readonly (readonly number[])[] | null = null;

  /** @internal `createLoopbackCluster` makes them. */
  constructor(
    private readonly directory: string,
    private readonly layout: readonly DemoNode[],
    private readonly options: LoopbackOptions,
  ) {
    this.nodeIds = layout.map(({ nodeId }) => nodeId);
  }

  /** What `connect()` and `open()` take to be clients of that node. */
  connectOptions(nodeId: number): ConnectOptions {
    return this.node(nodeId).connectOptions();
  }

  /** Starts a node that was killed or stopped. */
  async start(nodeId: number): Promise<void> {
    const entry = this.layout.find((node) => node.nodeId === nodeId);
    if (entry === undefined || this.running.has(nodeId))
      throw new NodeError(
        'RONDO_NODE_CONFIG',
        `node ${nodeId} ${entry === undefined ? 'is not one of these' : 'runs'}`,
      );
    const { log } = this.options;
    const node = await createNode({
      config: `${readFileSync(entry.configFile, 'utf8')}\n${this.options.config ?? ''}`,
      stateDir: entry.stateDirectory,
      node: entry.name,
      deafTo: this.cutOff(nodeId),
      ...(log === undefined ? {} : { log: (...line) => log(nodeId, ...line) }),
    });
    this.running.set(nodeId, node);
    void node.ended.then(() => this.running.delete(nodeId));
  }

  /** Without a goodbye to the others. */
  async kill(nodeId: number): Promise<void> {
    await this.node(nodeId).kill();
  }

  /** In order. */
  async stop(nodeId: number): Promise<void> {
    await this.node(nodeId).close();
  }

  pause(nodeId: number): void {
    this.node(nodeId).pause();
  }

  resume(nodeId: number): void {
    this.node(nodeId).resume();
  }

  /**
   * Nodes of different groups do not hear each other any more; a node that is not named is alone. Holds for nodes that are started later, too. What was on its
   * way arrives. The rings that follow come in real time: watch quorum, or the groups.
   */
  partition(...groups: readonly (readonly number[])[]): void {
    const named = groups.flat();
    const wrong = named.find((nodeId, index) => !this.nodeIds.includes(nodeId) || named.indexOf(nodeId) !== index);
    if (wrong !== undefined)
      throw new NodeError('RONDO_NODE_CONFIG', `node ${wrong} is none of ${this.nodeIds.join(' ')}, or named twice`);
    this.groups = groups;
    for (const [nodeId, node] of this.running) node.deafTo(this.cutOff(nodeId));
  }

  /** All nodes hear each other again. */
  heal(): void {
    this.partition(this.nodeIds);
  }

  /** Ends all nodes and removes their directories. */
  async close(): Promise<void> {
    await Promise.all([...this.running.values()].map((node) => node.close()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The addresses of those that the node does not hear. */
  private cutOff(nodeId: number): readonly string[] {
    const { groups } = this;
    if (groups === null) return [];
    const group = groups.find((members) => members.includes(nodeId)) ?? [];
    const others = this.layout.filter((other) => other.nodeId !== nodeId && !group.includes(other.nodeId));
    return others.map(({ address }) => address);
  }

  private node(nodeId: number): EmbeddedNode {
    const node = this.running.get(nodeId);
    if (node === undefined) throw new NodeError('RONDO_NODE_CONFIG', `node ${nodeId} does not run`);
    return node;
  }
}

/** Starts `size` (1 to 9) nodes in this process and waits until all serve clients. */
export async function createLoopbackCluster(size: number, options: LoopbackOptions = {}): Promise<LoopbackNodes> {
  if (!Number.isInteger(size) || size < 1 || size > NODES_MAX)
    throw new NodeError('RONDO_NODE_CONFIG', `1 to ${NODES_MAX} nodes, not ${size}`);
  const addresses = Array.from({ length: size }, (_, index) => `127.0.0.${index + 1}`);
  const port = await findPort(addresses, Math.random);
  const directory = mkdtempSync(join(tmpdir(), 'rondo-nodes-'));
  const { nodes } = writeLayout(directory, size, options.transport ?? 'udpu', port, 'rondo-nodes');
  const cluster = new LoopbackNodes(directory, nodes, options);
  try {
    await Promise.all(cluster.nodeIds.map((nodeId) => cluster.start(nodeId)));
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}
