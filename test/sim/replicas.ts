import type { PersistRecord } from '../../src/platform/replicated/core.ts';
import type { Epoch } from '../../src/platform/replicated/messages.ts';
import { Random } from '../../src/sim/random.ts';
import type { SimReplica } from './sim-replica.ts';
import type { World } from './world.ts';

/** Of a campaign: these seeds have a replicated machine with a disk on each node, and votequorum. */
export const hasReplicas = (seed: number): boolean => seed % 13 === 6;

/** What a program applied, for the rules. */
export interface Applied {
  readonly index: number;
  readonly name: string;
  /** Of the epoch in which it was agreed on; `null`: outside of one. */
  readonly epoch: string | null;
}

/** Members of the machine and the epochs of the states that they have, as they report them before a new one. */
export type StatesOfMembers = ReadonlyMap<string, Epoch | null>;

/** The longest times between two commands of the cluster, one of which each seed has. */
const GAPS_MS = [3, 20, 100];
/** From the ring of all on: who is late is left out after 2 s. */
const ACTIVE_MS_MAX = 8000;
/** The longest time until the power of all nodes fails, and until one of them is back. */
const POWER_MS_MAX = 6000;
const BACK_MS_MAX = 300;
const SLOW_DISK_MS = 100;

/**
 * What holds for the replicated machine of a whole cluster, whoever dies and comes back when: one order, in which every command has one place; who
 * has heard of its command finds it there for ever; and what is confirmed before another command is submitted stands before that.
 */
export class Replicas {
  /** Acts in quorate rings only. */
  readonly quorum: boolean = true;
  /** Disks, by node id: they outlive the nodes. */
  readonly disks = new Map<number, PersistRecord[]>();
  private readonly random: Random;
  private readonly order: string[] = [];
  private readonly places = new Map<string, number>();
  private confirmedUpTo = 0;
  private readonly gapMs: number;
  private over = false;
  private powerFailsSoon = false;

  constructor(
    seed: number,
    protected readonly world: World,
  ) {
    this.random = new Random(seed ^ 0x0e11ca);
    this.gapMs = this.random.pick(GAPS_MS);
  }

  diskOf(nodeId: number): PersistRecord[] {
    const disk = this.disks.get(nodeId) ?? [];
    this.disks.set(nodeId, disk);
    return disk;
  }

  start(): void {
    this.world.after(this.random.real(0, POWER_MS_MAX), () => {
      this.powerFailsSoon = true;
    });
    this.submitSometimes();
  }

  /** All nodes at once, as soon as a submitter has heard of its command: that is on the disks, or it is lost. */
  private powerFails(): void {
    if (this.over) return;
    this.world.nodes.forEach((node, index) => {
      node?.crash();
      this.world.after(this.random.real(0, BACK_MS_MAX), () => this.world.startNode(index));
    });
    this.world.note('crash', 'the power fails');
  }

  private submitSometimes(): void {
    this.world.after(this.random.real(0, this.gapMs), () => {
      if (this.over) return;
      const node = this.random.pick(this.world.nodes);
      if (node?.running === true) node.replica?.submit();
      this.submitSometimes();
    });
  }

  /** How long a disk takes to write. */
  diskMs(): number {
    return this.random.real(0, this.random.chance(0.1) ? SLOW_DISK_MS : 3);
  }

  /** Quorum comes on another connection than the group's messages. */
  quorumMs(): number {
    return this.random.real(0, this.random.chance(0.1) ? 30 : 1);
  }

  end(): void {
    this.over = true;
  }

  // ---- what the programs see ----

  /** What a submitter knows to be done when it submits. */
  get known(): number {
    return this.confirmedUpTo;
  }

  /** A program applies an entry. Returns what is wrong with that. */
  appliedAt({ index, name }: Applied): string | null {
    const before = this.order[index - 1];
    if (before !== undefined)
      return before === name ? null : `applies ${name} at ${index}, where others have ${before}`;
    if (index !== this.order.length + 1) return `applies ${name} at ${index}, and nobody has ${this.order.length + 1}`;
    this.order.push(name);
    const other = this.places.get(name);
    this.places.set(name, index);
    return other === undefined ? null : `applies ${name} at ${other} and at ${index}`;
  }

  /** A submitter hears that its command stands at `index`; `known`: as of its submission. */
  confirmed({ index }: Applied, known: number): string | null {
    this.confirmedUpTo = Math.max(this.confirmedUpTo, index);
    this.heard();
    return index > known ? null : `a command has place ${index}, and was submitted when ${known} was known to be done`;
  }

  protected heard(): void {
    if (this.powerFailsSoon) this.world.after(0, () => this.powerFails());
    this.powerFailsSoon = false;
  }

  /** A submitter hears that its command is part of the state that it was given. */
  included(name: string): string | null {
    return this.places.has(name) ? null : `${name} is said to be applied, and nobody has`;
  }

  /** A program is given another state. Returns what is wrong with that. */
  replaced(_self: string, _source: string, _states: StatesOfMembers): string | null {
    return null;
  }

  /** A program ends with its process. */
  ended(_replica: SimReplica): void {}

  // ---- the end ----

  /** How many entries the state of all has in the end. */
  protected length(_replicas: readonly SimReplica[]): number {
    return this.order.length;
  }

  /** All faults are over and the ring of all has formed: all machines act, with one state, and every submitter has heard. */
  settle(): void {
    const { world } = this;
    const replicas = world.living.flatMap(({ replica }) => (replica === null ? [] : [replica]));
    for (const replica of replicas) replica.submit();
    const isCalm = (replica: SimReplica) => replica.calm && replica.count === this.length(replicas);
    world.runWhile(ACTIVE_MS_MAX, () => replicas.every(isCalm));
    for (const replica of replicas) {
      if (!isCalm(replica))
        world.checker.violation(
          null,
          `the replicated machine of ${replica.describe()}, and ${this.length(replicas)} are applied`,
        );
      if (replica.chain !== replicas[0]?.chain)
        world.checker.violation(null, `the replicated machine of ${replica.describe()} has another state than others`);
    }
  }
}
