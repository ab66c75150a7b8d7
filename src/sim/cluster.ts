import type { TotemConfig } from '../config/totem-config.ts';
import { EventHeap } from './event-heap.ts';
import { type SimPacket, SimulatedNode } from './node.ts';
import { Random } from './random.ts';

/** What happens to the cluster, and when: milliseconds after it has formed its ring. */
export type SimEventPlan =
  /** The process ends; its host lives and says so to who sends it something. */
  | { readonly kind: 'kill'; readonly atMs: number; readonly node: number }
  /** The host fails, without a word. */
  | { readonly kind: 'power'; readonly atMs: number; readonly node: number }
  | { readonly kind: 'pause'; readonly atMs: number; readonly node: number; readonly forMs: number }
  /** No packet between the two any more, in either direction. */
  | { readonly kind: 'cut'; readonly atMs: number; readonly a: number; readonly b: number };

export interface SimPlan {
  readonly totem: TotemConfig;
  readonly events: readonly SimEventPlan[];
  /** Share of packets that are lost. */
  readonly loss: number;
  /** One way, mean. */
  readonly latencyMs: number;
  /** Messages a second of each node. */
  readonly rate: number;
  readonly forMs: number;
}

/** One membership change of one node. */
export interface SeenChange {
  /** After the ring had formed. */
  readonly atMs: number;
  readonly node: number;
  readonly members: readonly number[];
  readonly left: readonly number[];
}

export interface SimRun {
  readonly changes: readonly SeenChange[];
  /** When each node was synchronised after each of its changes. */
  readonly synchronised: readonly {
    readonly atMs: number;
    readonly node: number;
    readonly members: readonly number[];
  }[];
  /** How long each message took until its sender got it back in its place in the order. */
  readonly waitsMs: readonly number[];
  /** Mean time of a rotation of the token, as the first node sees it; an idle ring holds it for a while. */
  readonly rotationMs: number;
  /** How long the ring took to form; `null`: it did not, and nothing happened. */
  readonly formedMs: number | null;
}

const FORM_MS_MAX = 120_000;
const SETTLE_MS = 2_000;
const START_SPREAD_MS = 50;
const LOOK_MS = 5;

/** Events between two moments at which whoever runs a plan may stop, or see to something else. */
const EVENTS_PER_STEP = 1_000;

/** Runs a plan once, on virtual time, step by step. The same seed gives the same run. */
export function planSteps(plan: SimPlan, seed: number): Generator<void, SimRun, void> {
  return new Cluster(plan, seed).run();
}

class Cluster {
  private readonly random: Random;
  private readonly heap = new EventHeap();
  private readonly nodes = new Map<number, SimulatedNode>();
  private readonly lostHosts = new Set<number>();
  private readonly cuts = new Set<string>();
  private readonly lastMs = new Map<string, number>();
  private readonly changes: SeenChange[] = [];
  private readonly synchronised: SimRun['synchronised'][number][] = [];
  private readonly waitsMs: number[] = [];
  private nowMs = 1_000;
  private events = 0;
  private startMs = Number.POSITIVE_INFINITY;

  constructor(
    private readonly plan: SimPlan,
    seed: number,
  ) {
    this.random = new Random(seed);
    const ports = {
      now: () => this.nowMs,
      after: (delayMs: number, run: () => void) => this.heap.add(this.nowMs + delayMs, run),
      post: (packet: SimPacket) => this.post(packet),
      random: () => this.random.unit(),
      changed: (node: SimulatedNode, members: readonly number[], left: readonly number[]) => {
        this.changes.push({ atMs: this.nowMs - this.startMs, node: node.nodeId, members, left });
      },
      synchronised: (node: SimulatedNode) => {
        this.synchronised.push({ atMs: this.nowMs - this.startMs, node: node.nodeId, members: node.members });
      },
      delivered: (waitMs: number) => void this.waitsMs.push(waitMs),
    };
    for (const { nodeId } of plan.totem.members) this.nodes.set(nodeId, new SimulatedNode(nodeId, plan.totem, ports));
  }

  *run(): Generator<void, SimRun, void> {
    for (const node of this.nodes.values())
      this.heap.add(this.nowMs + this.random.real(0, START_SPREAD_MS), () => node.start());
    const begunMs = this.nowMs;
    while (!this.isWhole && this.nowMs < begunMs + FORM_MS_MAX) yield* this.advance(this.nowMs + LOOK_MS);
    const formedMs = this.isWhole ? this.nowMs - begunMs : null;
    yield* this.advance(this.nowMs + SETTLE_MS + this.random.real(0, SETTLE_MS));
    const [first] = this.nodes.values();
    const tokens = first?.tokensSent ?? 0;
    if (formedMs === null) return { changes: [], synchronised: [], waitsMs: [], rotationMs: Number.NaN, formedMs };
    this.startMs = this.nowMs;
    this.changes.length = 0;
    this.synchronised.length = 0;
    for (const event of this.plan.events) this.heap.add(this.startMs + event.atMs, () => this.happen(event));
    if (this.plan.rate > 0) for (const node of this.nodes.values()) this.load(node);
    yield* this.advance(this.startMs + this.plan.forMs);
    const rotationMs = this.plan.forMs / ((first?.tokensSent ?? 0) - tokens);
    const { changes, synchronised, waitsMs } = this;
    return { changes, synchronised, waitsMs, rotationMs, formedMs };
  }

  private get isWhole(): boolean {
    const size = this.nodes.size;
    return [...this.nodes.values()].every((node) => node.members.length === size && node.isSynchronised);
  }

  private *advance(untilMs: number): Generator<void, void, void> {
    while (this.heap.nextAt <= untilMs) {
      if (++this.events % EVENTS_PER_STEP === 0) yield;
      const event = this.heap.take()!;
      this.nowMs = Math.max(this.nowMs, event.at);
      event.run();
    }
    this.nowMs = untilMs;
  }

  private load(node: SimulatedNode): void {
    // As calls come in: independent of each other.
    const gapMs = (-Math.log(1 - this.random.unit()) * 1000) / this.plan.rate;
    this.heap.add(this.nowMs + gapMs, () => {
      node.send();
      this.load(node);
    });
  }

  private happen(event: SimEventPlan): void {
    if (event.kind === 'cut') {
      this.cuts.add(pair(event.a, event.b));
      return;
    }
    const node = this.nodes.get(event.node);
    if (node === undefined) return;
    if (event.kind === 'pause') node.pause(event.forMs);
    else node.alive = false;
    if (event.kind === 'power') this.lostHosts.add(event.node);
  }

  private post(packet: SimPacket): void {
    const { from, to, link } = packet;
    if (this.cuts.has(pair(from, to)) || this.isLost()) return;
    const key = `${from} ${to} ${link}`;
    const { latencyMs } = this.plan;
    // Packets of one path do not overtake each other.
    const atMs = Math.max(this.lastMs.get(key) ?? 0, this.nowMs + latencyMs * this.random.real(0.5, 1.5));
    this.lastMs.set(key, atMs);
    this.heap.add(atMs, () => this.deliver(packet));
  }

  /** The ring forms on a whole network: what comes then is what is asked about. */
  private isLost(): boolean {
    return this.nowMs >= this.startMs && this.random.chance(this.plan.loss);
  }

  private deliver(packet: SimPacket): void {
    const { from, to, link } = packet;
    const target = this.nodes.get(to);
    if (target === undefined) return;
    if (target.alive) target.arrive(packet);
    else if (!this.lostHosts.has(to) && !this.isLost())
      this.heap.add(this.nowMs + this.plan.latencyMs, () => this.nodes.get(from)?.refused(to, link));
  }
}

const pair = (a: number, b: number): string => (a < b ? `${a} ${b}` : `${b} ${a}`);
