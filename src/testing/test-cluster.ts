import type { OpenChannel } from '../client/channel.ts';
import { type ChannelHook, OPEN_CHANNEL } from '../client/channel.ts';
import { CLOCK, type Clock, type ClockHook } from '../client/clock.ts';
import { ConnectionError } from '../client/errors.ts';
import type { ConnectOptions } from '../client/session.ts';
import { memoryTrackingFile, type TrackingFile } from '../services/votequorum/tracking-file.ts';
import { FakeRing } from './fake-ring.ts';
import { type NodeSettings, nodeList } from './quorum-node.ts';
import { VirtualConnection } from './virtual-connection.ts';
import { VirtualNode } from './virtual-node.ts';

export interface TestClusterOptions {
  /** Which of the possible interleavings happens. Default 1. */
  readonly seed?: number;
  /** Virtual milliseconds until nodes that do not hear each other part. Default 1000. */
  readonly tokenMs?: number;
  /** Further keys of the configuration, for example `{ 'quorum.two_node': true }`. */
  readonly settings?: NodeSettings;
}

/** Steps of the ring before timers and sockets of the program have their turn. */
const STEPS_A_TURN = 200;
/** Turns of the event loop without anything to do, after which the cluster is at rest. */
const IDLE_TURNS = 4;
const RUN_LIMIT_MS = 600_000;
const IDLE_STEP_MS = 50;
/** The rings of two parts form this much apart, at most. */
const SKEW_MS_MAX = 200;

/** Clusters that are not closed. */
const open = new Set<WeakRef<TestCluster>>();

/** A program that awaits what takes virtual time, with nothing that moves it, would end without a word. */
process.once('beforeExit', () => {
  if (![...open].some((one) => one.deref()?.hasTimers)) return;
  process.emitWarning(
    'the program ends while timers of a test cluster wait: their time moves in advance(), run() and faults only',
    {
      type: 'RondoTestCluster',
      detail: 'Await what takes time by `await cluster.run(promise)`; end with `await cluster.close()`',
    },
  );
});

/**
 * A cluster of nodes in this process, for tests: the engines of the daemon (cpg, quorum, votequorum, cmap) on a ring without network, in
 * virtual time. Messages flow by themselves and take no time; timers move with `advance` and `run` only.
 */
export class TestCluster {
  readonly nodeIds: readonly number[];
  private readonly ring: FakeRing;
  private readonly self = new WeakRef(this);
  private readonly tokenMs: number;
  private readonly connections = new Map<number, Set<VirtualConnection>>();
  private readonly files = new Map<number, TrackingFile>();
  private readonly held: { readonly nodeId: number; readonly callback: () => void }[] = [];
  private reach: readonly (readonly number[])[];
  private pumping = false;
  private lastFault: Promise<unknown> = Promise.resolve();

  private constructor(
    size: number,
    private readonly options: TestClusterOptions,
  ) {
    this.nodeIds = Array.from({ length: size }, (_, index) => index + 1);
    this.reach = [this.nodeIds];
    this.ring = new FakeRing(options.seed ?? 1);
    this.tokenMs = options.tokenMs ?? 1000;
  }

  static async create(size: number, options: TestClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(size, options);
    for (const nodeId of cluster.nodeIds) await cluster.boot(nodeId);
    await cluster.reform();
    open.add(cluster.self);
    return cluster;
  }

  /** What `connect()` and `open()` of everything in this package take to be a program on this node. */
  connectOptions(nodeId: number): ConnectOptions {
    this.node(nodeId);
    const hooks: ConnectOptions & ChannelHook & ClockHook = {
      [OPEN_CHANNEL]: this.channelOf(nodeId),
      [CLOCK]: this.clockOf(nodeId),
    };
    return hooks;
  }

  /** Whether anything waits for virtual time to pass. */
  get hasTimers(): boolean {
    return this.ring.clock.hasTimers;
  }

  /** Virtual time. */
  nowMs(): number {
    return this.ring.clock.nowMs();
  }

  /** Whether the node is in a part that may work. */
  isQuorate(nodeId: number): boolean {
    return this.node(nodeId).quorate;
  }

  /** Nodes of different groups do not hear each other any more; a node that is not named is alone. */
  partition(...groups: readonly (readonly number[])[]): Promise<void> {
    return this.fault(async () => {
      const alone = this.nodeIds.filter((nodeId) => !groups.flat().includes(nodeId)).map((nodeId) => [nodeId]);
      this.reach = [...groups, ...alone];
      await this.reform();
    });
  }

  /** All nodes hear each other again. */
  heal(): Promise<void> {
    return this.partition(this.nodeIds);
  }

  /** The node dies, with its programs' connections. */
  kill(nodeId: number): Promise<void> {
    return this.fault(async () => {
      this.node(nodeId);
      this.ring.kill(nodeId);
      for (const connection of this.connections.get(nodeId) ?? []) connection.cut(new Error('the daemon ended'), true);
      this.connections.delete(nodeId);
      await this.reform();
    });
  }

  /** The node that was killed starts again, knowing nothing. */
  restart(nodeId: number): Promise<void> {
    return this.fault(async () => {
      if (this.ring.nodes.has(nodeId)) throw new Error(`node ${nodeId} is running`);
      await this.boot(nodeId);
      await this.reform();
    });
  }

  /** The node stalls, with the connections and timers of its programs, and the others go on without it. */
  pause(nodeId: number): Promise<void> {
    return this.fault(async () => {
      this.node(nodeId).paused = true;
      this.ring.stalled.add(nodeId);
      await this.reform();
    });
  }

  resume(nodeId: number): Promise<void> {
    return this.fault(async () => {
      this.node(nodeId).paused = false;
      this.ring.stalled.delete(nodeId);
      const due = this.held.filter((timer) => timer.nodeId === nodeId);
      for (const timer of due) this.held.splice(this.held.indexOf(timer), 1);
      for (const { callback } of due) callback();
      await this.reform();
    });
  }

  /** Virtual time passes; everything that can happen meanwhile does. */
  async advance(ms: number): Promise<void> {
    const until = this.nowMs() + ms;
    do await this.settle();
    while (this.ring.clock.runNext(until));
    await this.settle();
  }

  /** Lets virtual time pass until the promise settles; its result. @throws Error: it does not within ten virtual minutes. */
  async run<T>(promise: Promise<T>): Promise<T> {
    const limit = this.nowMs() + RUN_LIMIT_MS;
    let settled = false;
    const watched = promise.finally(() => {
      settled = true;
    });
    watched.catch(() => {}); // thrown below
    for (;;) {
      await this.settleUnless(() => settled);
      if (settled) return watched;
      if (this.nowMs() > limit) throw new Error(`nothing came within ${RUN_LIMIT_MS} ms of virtual time`);
      // Nothing is due: what is awaited may be real, a file for example.
      if (!this.ring.clock.runNext(this.nowMs() + IDLE_STEP_MS)) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Lets everything happen that needs no time. */
  settle(): Promise<void> {
    return this.settleUnless(() => false);
  }

  private async settleUnless(enough: () => boolean): Promise<void> {
    for (let idle = 0; idle < IDLE_TURNS && !enough(); idle++) {
      if (this.turn()) idle = -1;
      await new Promise(setImmediate);
    }
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    open.delete(this.self);
    await this.lastFault.catch(() => {});
    for (const connections of this.connections.values()) for (const connection of [...connections]) connection.close();
    await this.settle();
  }

  /** Faults happen one after the other. */
  private fault(run: () => Promise<void>): Promise<void> {
    const done = this.lastFault.catch(() => {}).then(run);
    this.lastFault = done;
    return done;
  }

  private async boot(nodeId: number): Promise<void> {
    const file = this.files.get(nodeId) ?? memoryTrackingFile();
    this.files.set(nodeId, file);
    const settings = {
      'quorum.provider': 'corosync_votequorum',
      'totem.token': this.tokenMs,
      ...nodeList(this.nodeIds, nodeId),
      ...this.options.settings,
    };
    const node = new VirtualNode(this.ring, nodeId, settings, file);
    await node.start();
    this.ring.add(node);
  }

  /** Rings become what `reach` says: nodes that lost somebody stall for the token timeout, then each part forms its ring. */
  private async reform(): Promise<void> {
    const runs = (nodeId: number): boolean => this.ring.nodes.get(nodeId)?.paused === false;
    const parts = this.reach.map((group) => group.filter(runs)).filter((group) => group.length > 0);
    const isRing = (part: readonly number[]): boolean =>
      part.every((nodeId) => [...this.ring.membersOf(nodeId)].join() === sorted(part).join());
    const changed = parts.filter((part) => !isRing(part)); // who was paused is still in a ring that the others have left
    const without = changed.flat().filter((nodeId) => {
      const part = changed.find((members) => members.includes(nodeId));
      return this.ring.membersOf(nodeId).some((other) => part?.includes(other) !== true);
    });
    for (const nodeId of without) this.ring.stalled.add(nodeId);
    await this.advance(this.tokenMs);
    for (const part of this.shuffled(changed)) {
      for (const nodeId of part) this.ring.stalled.delete(nodeId);
      this.ring.partition([...part]);
      await this.advance(Math.floor(this.ring.chance() * SKEW_MS_MAX));
    }
    await this.settle();
  }

  private shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, at: this.ring.chance() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }

  /** Some steps; whether anything happened. */
  private turn(): boolean {
    let steps = 0;
    for (; steps < STEPS_A_TURN && this.ring.step(); steps++) this.serve();
    this.serve();
    return steps > 0;
  }

  private serve(): void {
    for (const [nodeId, connections] of this.connections) {
      const node = this.ring.nodes.get(nodeId);
      if (node instanceof VirtualNode && !node.paused) node.cpg.retry();
      for (const connection of connections) {
        connection.serve();
        if (!connection.isOpen) connections.delete(connection);
      }
    }
  }

  private readonly wake = (): void => {
    if (this.pumping) return;
    this.pumping = true;
    setImmediate(() => {
      this.pumping = false;
      if (this.turn()) this.wake();
    });
  };

  private channelOf(nodeId: number): OpenChannel {
    return async (service, _options, handler) => {
      const node = this.ring.nodes.get(nodeId);
      if (!(node instanceof VirtualNode)) {
        throw new ConnectionError('RONDO_NOT_RUNNING', `node ${nodeId} of the test cluster is not running`);
      }
      const connection = new VirtualConnection(service, node, handler, this.wake);
      const connections = this.connections.get(nodeId) ?? new Set();
      connections.add(connection);
      this.connections.set(nodeId, connections);
      return connection;
    };
  }

  /** Timers of programs on a node: those of a stopped node fire when it goes on. */
  private clockOf(nodeId: number): Clock {
    const isPaused = (): boolean => this.ring.nodes.get(nodeId)?.paused === true;
    return {
      nowMs: () => this.nowMs(),
      setTimer: (delayMs, callback) => {
        let cancelled = false;
        const fire = (): void => {
          if (cancelled) return;
          if (isPaused()) this.held.push({ nodeId, callback: fire });
          else callback();
        };
        const timer = this.ring.clock.setTimer(delayMs, fire);
        return {
          cancel: () => {
            cancelled = true;
            timer.cancel();
          },
        };
      },
    };
  }

  private node(nodeId: number): VirtualNode {
    const node = this.ring.nodes.get(nodeId);
    if (!(node instanceof VirtualNode)) throw new Error(`node ${nodeId} is not running`);
    return node;
  }
}

const sorted = (ids: readonly number[]): number[] => [...ids].sort((a, b) => a - b);

/** Nodes 1 to `size`, in one ring. */
export const createTestCluster = (size: number, options?: TestClusterOptions): Promise<TestCluster> =>
  TestCluster.create(size, options);
