import type { RingId } from '../lib/ring-id.ts';
import { FakeClock, seeded } from './fake-clock.ts';
import type { FakeNode, Outgoing } from './fake-node.ts';

/** One ring: its members and the messages in their total order. */
interface Component {
  readonly ringId: RingId;
  readonly members: readonly number[];
  readonly log: Outgoing[];
}

interface Place {
  component: Component;
  /** How many entries of the log this node has delivered. */
  cursor: number;
}

/**
 * A network of nodes without Totem: total order by construction, configuration changes by the rules of extended virtual
 * synchrony. Nodes that go on together deliver the same messages before the change; a message is always delivered to
 * its sender.
 */
export class FakeRing {
  readonly clock = new FakeClock();
  readonly nodes = new Map<number, FakeNode>();
  private readonly places = new Map<number, Place>();
  private readonly random: () => number;
  /** Nodes that do nothing: stopped, or without a token. */
  readonly stalled = new Set<number>();
  private lastSeq = 0;
  /** Chance that a send queue is full, 0..1. */
  fullChance = 0;

  constructor(seed = 1) {
    this.random = seeded(seed);
  }

  chance(): number {
    return this.random();
  }

  readonly full = (): boolean => this.fullChance > 0 && this.random() < this.fullChance;

  /** The node is in no ring until the next `partition` that names it. */
  add(node: FakeNode): void {
    this.nodes.set(node.nodeId, node);
  }

  /** The node is gone at once, in the middle of whatever it did; the others notice at the next `partition`. */
  kill(nodeId: number): void {
    const node = this.nodes.get(nodeId);
    if (node === undefined) return;
    node.alive = false;
    this.nodes.delete(nodeId);
    this.places.delete(nodeId);
  }

  /** New rings: each group's living nodes form one. Nodes in no group stay where they are. */
  partition(...groups: number[][]): void {
    const plans = groups.map((group) => group.filter((nodeId) => this.nodes.has(nodeId)).sort((a, b) => a - b));
    const old = new Map([...this.places].map(([nodeId, place]) => [nodeId, { ...place }]));
    for (const members of plans) if (members.length > 0) this.form(members, old);
  }

  private form(members: readonly number[], old: ReadonlyMap<number, Place>): void {
    this.lastSeq += 4;
    const component: Component = { ringId: { rep: Math.min(...members), seq: this.lastSeq }, members, log: [] };
    const companions = (nodeId: number): number[] => {
      const from = old.get(nodeId)?.component;
      if (from === undefined) return [nodeId];
      return members.filter((other) => old.get(other)?.component === from);
    };
    const cuts = new Map<Component, number>();
    for (const nodeId of members) {
      const place = old.get(nodeId);
      if (place !== undefined && !cuts.has(place.component)) {
        cuts.set(place.component, this.cut(place.component, companions(nodeId), old));
      }
    }
    for (const nodeId of members) {
      const node = this.nodes.get(nodeId)!;
      const place = old.get(nodeId);
      const transitional = companions(nodeId);
      const before = place === undefined ? [] : place.component.log.slice(place.cursor, cuts.get(place.component));
      const split = Math.floor(this.random() * (before.length + 1));
      for (const message of before.slice(0, split)) node.deliver(message);
      const left = (place?.component.members ?? []).filter((other) => !transitional.includes(other));
      const isFresh = place === undefined;
      node.configurationChange({
        kind: 'transitional',
        members: isFresh ? [] : transitional,
        left,
        joined: [],
        ringId: component.ringId,
      });
      for (const message of before.slice(split)) node.deliver(message);
      this.places.set(nodeId, { component, cursor: 0 });
      const joined = isFresh ? [...members] : members.filter((other) => !transitional.includes(other));
      node.configurationChange({ kind: 'regular', members, left: [], joined, ringId: component.ringId });
    }
  }

  /** How much of the old ring's order the companions deliver: what one of them has, or sent, all have. */
  private cut(component: Component, companions: readonly number[], old: ReadonlyMap<number, Place>): number {
    const delivered = Math.max(...companions.map((nodeId) => old.get(nodeId)!.cursor));
    let sent = 0;
    component.log.forEach((message, at) => {
      if (companions.includes(message.from)) sent = at + 1;
    });
    const least = Math.max(delivered, sent);
    return least + Math.floor(this.random() * (component.log.length - least + 1));
  }

  /** One thing happens: a message gets its place in the order, or a node delivers its next one. */
  step(): boolean {
    const choices: (() => void)[] = [];
    for (const [nodeId, node] of this.nodes) {
      const place = this.places.get(nodeId);
      if (place === undefined || this.stalled.has(nodeId)) continue;
      if (node.hasOutgoing()) choices.push(() => void place.component.log.push(node.nextOutgoing()!));
      if (place.cursor < place.component.log.length) {
        choices.push(() => node.deliver(place.component.log[place.cursor++]!));
      }
    }
    if (choices.length === 0) return false;
    choices[Math.floor(this.random() * choices.length)]!();
    return true;
  }

  /** Until nothing moves any more; time advances only for retries of full queues. */
  settle(maxSteps = 100_000): void {
    for (let steps = 0; steps < maxSteps; steps++) {
      if (this.step()) continue;
      if (this.fullChance === 0 || !this.clock.runNext(this.clock.nowMs() + 20)) {
        if (!this.step()) return;
      }
    }
    throw new Error('the ring does not come to rest');
  }

  /** Time passes; everything that can happen does. */
  advance(ms: number): void {
    const until = this.clock.nowMs() + ms;
    do this.settle();
    while (this.clock.runNext(until));
    this.settle();
  }

  /** `count` random steps, for stopping in the middle. */
  wander(count: number): void {
    for (let i = 0; i < count && this.step(); i++);
  }

  alive(): FakeNode[] {
    return [...this.nodes.values()];
  }

  membersOf(nodeId: number): readonly number[] {
    return this.places.get(nodeId)?.component.members ?? [];
  }
}
