import {
  type OrderPlace,
  type PersistRecord,
  ReplicaCore,
  type ReplicaHost,
  type ReplicaState,
} from '../../src/platform/replicated/core.ts';
import {
  type Base,
  decodeMessage,
  type Entry,
  encodeMessage,
  type ReplicaMessage,
} from '../../src/platform/replicated/messages.ts';
import type { Member } from '../../src/platform/replicated/names.ts';
import { baseOf } from '../../src/platform/replicated/recovery.ts';
import { seeded } from '../services/fake-clock.ts';

/** Whether a lone part may act: by majority of the nodes. */
const PATIENCE_MS = 500;

interface Sent {
  readonly from: Member;
  readonly bytes: Uint8Array;
}

interface RingOf {
  readonly seq: number;
  readonly rep: number;
  readonly nodes: readonly number[];
  readonly members: readonly Member[];
  /** Members in the order of the group's joins and leaves are part of the log, too. */
  readonly log: (Sent | { readonly joined: Member } | { readonly left: Member })[];
}

/** What the machine of a node has come to, and what its submitter heard of it. */
export class ToyNode implements ReplicaHost {
  core: ReplicaCore;
  /** The program's state: everything that was applied, in order. */
  values: string[] = [];
  places: string[] = [];
  outbox: Uint8Array[] = [];
  /** Events of its daemon that it has not been given. */
  inbox: (() => void)[] = [];
  disk: PersistRecord[] = [];
  diskSafe = 0;
  running = true;
  paused = false;
  lastRingSeq = 0;
  members: readonly Member[] = [];
  private readonly reported = new Set<string>();
  private readonly submitted = new Map<number, string>();
  private counter = 0;

  constructor(
    private readonly world: ReplicaWorld,
    /** Its node, or `size` + 1 and so on: a second program of a node. */
    readonly nodeId: number,
    readonly lifeNumber: number,
    self: Member,
    private readonly inherited: Base | null,
    private readonly hasDisk: boolean,
  ) {
    const base = inherited;
    if (base !== null) this.restore(base.snapshot);
    this.core = new ReplicaCore(
      {
        life: `n${nodeId}.${lifeNumber}`,
        quorum: world.quorum,
        patienceMs: PATIENCE_MS,
        merges: !world.quorum,
        base,
      },
      this,
    );
    this.core.connected(self);
  }

  submit(): void {
    const text = `${this.nodeId}.${this.lifeNumber}.${++this.counter}`;
    this.submitted.set(this.core.submit(Buffer.from(text)), text);
  }

  /** Commands of which the submitter has heard nothing yet. */
  promised(): string[] {
    return [...this.submitted.values()].filter((text) => !this.reported.has(text));
  }

  send(message: ReplicaMessage): void {
    this.outbox.push(encodeMessage(message));
  }

  apply(entry: Entry, place: OrderPlace, own: number | null): void {
    if (entry.kind === 'command') this.values.push(Buffer.from(entry.payload).toString());
    if (entry.kind === 'merge')
      for (const value of Buffer.from(entry.payload).toString().split(',')) this.values.push(value);
    const name = `${entry.kind} ${entry.from}:${entry.seq} ring ${place.ringSeq}`;
    this.places.push(name);
    this.world.sawApplied(place.index, name, place.ringSeq, this);
    const text = own === null ? undefined : this.submitted.get(own);
    if (text === undefined) return;
    this.reported.add(text);
    this.world.confirmed(text);
  }

  applied(own: number): void {
    const text = this.submitted.get(own);
    if (text === undefined) return;
    this.reported.add(text);
    this.world.confirmed(text);
  }

  snapshot(): Uint8Array {
    return Buffer.from(JSON.stringify([this.values, this.places]));
  }

  restore(snapshot: Uint8Array): void {
    [this.values, this.places] = JSON.parse(Buffer.from(snapshot).toString()) as [string[], string[]];
  }

  persist(record: PersistRecord): void {
    this.disk.push(record);
  }

  /** Some of what was handed to the disk is safe now. */
  sync(count: number): void {
    this.diskSafe = Math.min(this.disk.length, this.diskSafe + count);
    this.core.persisted(this.diskSafe);
  }

  /** Whether it has had the whole state in this life. */
  hasState = false;
  stateChanged(state: ReplicaState): void {
    if (state === 'active') this.hasState = true;
  }

  digestOf(): void {}

  /** What the next life finds. */
  get remains(): Base | null {
    if (!this.hasDisk) return null;
    const before: PersistRecord[] = this.inherited === null ? [] : [{ kind: 'base', base: this.inherited }];
    const base = baseOf([...before, ...this.disk.slice(0, this.diskSafe)]);
    return base === null || base.snapshot.length > 0 ? base : { ...base, snapshot: Buffer.from('[[],[]]') };
  }
}

const sameMember = (a: Member, b: Member): boolean => a.nodeId === b.nodeId && a.pid === b.pid;

/**
 * Members on a toy group communication: agreed order in each ring, changes of membership in it, parts that deliver different ends of an old
 * ring (also with gaps), quorum events that come at any time, disks that are behind, deaths and pauses. Everything follows from the seed.
 */
export class ReplicaWorld {
  readonly nodes = new Map<number, ToyNode>();
  readonly violations: string[] = [];
  /** Commands that were reported to their submitters as applied. */
  readonly done: string[] = [];
  private readonly order: string[] = [];
  private readonly random: () => number;
  private readonly rings = new Map<number, { ring: RingOf; cursor: number }>();
  private readonly lives = new Map<number, number>();
  private readonly remains = new Map<number, Base | null>();
  private seq = 0;
  /** A node that is ahead of the others for a while; 0: none is. */
  private quick = 0;
  nowMs = 0;

  constructor(
    seed: number,
    readonly size: number,
    private readonly hasDisk: boolean,
    readonly quorum = true,
    /** Nodes that run a second program. */
    private readonly seconds: readonly number[] = [],
  ) {
    this.random = seeded(seed);
    for (const program of this.programs) this.boot(program);
  }

  get programs(): number[] {
    return Array.from({ length: this.size + this.seconds.length }, (_, at) => at + 1);
  }

  hostOf(program: number): number {
    return program <= this.size ? program : this.seconds[program - this.size - 1]!;
  }

  int(below: number): number {
    return Math.floor(this.random() * below);
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  confirmed(text: string): void {
    this.done.push(text);
  }

  /** With quorum there is one order only, whoever looks at it whenever. */
  sawApplied(index: number, name: string, ringSeq: number, node: ToyNode): void {
    const known = this.order[index];
    if (known !== undefined && known !== name && this.quorum) {
      this.violations.push(`node ${node.nodeId} applies ${name} at ${index}, which was ${known}`);
    }
    this.order[index] = name;
    if (index !== node.places.length) this.violations.push(`node ${node.nodeId} skips to ${index}`);
    if (ringSeq < node.lastRingSeq)
      this.violations.push(`node ${node.nodeId}: ring ${ringSeq} after ${node.lastRingSeq}`);
    node.lastRingSeq = ringSeq;
  }

  boot(nodeId: number): void {
    const life = (this.lives.get(nodeId) ?? 0) + 1;
    this.lives.set(nodeId, life);
    const remains = this.remains.get(nodeId) ?? null;
    this.nodes.set(nodeId, new ToyNode(this, nodeId, life, this.member(nodeId), remains, this.hasDisk));
  }

  kill(nodeId: number): void {
    const node = this.nodes.get(nodeId);
    if (node === undefined) return;
    node.running = false;
    this.remains.set(nodeId, node.remains);
    this.nodes.delete(nodeId);
    this.rings.delete(nodeId);
  }

  /** A program dies; its daemon stays in the ring and announces it. What the others of its node have still to read, they read. */
  killProgram(program: number): void {
    const place = this.rings.get(program);
    if (place === undefined) return;
    for (const other of this.neighboursOf(program)) this.readAll(other);
    place.ring.log.push({ left: this.member(program) });
    this.kill(program);
    for (const other of this.neighboursOf(program)) other.hasState = false; // until it is active again
  }

  private neighboursOf(program: number): ToyNode[] {
    return [...this.nodes.values()].filter(
      ({ nodeId }) => nodeId !== program && this.hostOf(nodeId) === this.hostOf(program),
    );
  }

  private readAll(node: ToyNode): void {
    const place = this.rings.get(node.nodeId)!;
    while (place.cursor < place.ring.log.length) this.deliver(node.nodeId, place.ring.log[place.cursor++]!);
    while (node.inbox.length > 0) node.inbox.shift()!();
  }

  /** A program starts on a node whose daemon is in a ring. */
  startProgram(program: number): void {
    const [neighbour] = this.neighboursOf(program);
    const place = neighbour === undefined ? undefined : this.rings.get(neighbour.nodeId);
    if (place === undefined || this.nodes.has(program)) return;
    const { ring } = place;
    const cursor = ring.log.length;
    this.boot(program);
    this.rings.set(program, { ring, cursor });
    const node = this.nodes.get(program)!;
    node.members = this.membersAt(ring, cursor);
    ring.log.push({ joined: this.member(program) });
    this.reportQuorum(node, ring);
  }

  /** The program of a node is killed and comes again: its daemon stays in the ring, and announces it to the others. */
  restartProgram(nodeId: number): void {
    const place = this.rings.get(nodeId);
    if (place === undefined) return;
    place.ring.log.push({ left: this.member(nodeId) });
    const cursor = place.ring.log.length;
    this.kill(nodeId);
    this.boot(nodeId);
    this.rings.set(nodeId, { ring: place.ring, cursor });
    const node = this.nodes.get(nodeId)!;
    node.members = this.membersAt(place.ring, cursor);
    place.ring.log.push({ joined: this.member(nodeId) });
    this.reportQuorum(node, place.ring);
  }

  private member(nodeId: number): Member {
    return { nodeId: this.hostOf(nodeId), pid: this.lives.get(nodeId)! * 10 + (nodeId > this.size ? nodeId : 0) };
  }

  private membersAt(ring: RingOf, cursor: number): Member[] {
    let members = [...ring.members];
    for (const item of ring.log.slice(0, cursor)) {
      if ('left' in item) members = members.filter((member) => !sameMember(member, item.left));
      if ('joined' in item) members = [...members, item.joined];
    }
    return members;
  }

  /** New rings. Each part delivers its own end of the old ring first: with or without what the others sent in between. */
  form(...parts: readonly (readonly number[])[]): void {
    const old = new Map(this.rings);
    for (const part of parts) {
      const nodes = [...this.nodes.keys()]
        .filter((program) => part.includes(this.hostOf(program)))
        .sort((a, b) => this.hostOf(a) - this.hostOf(b) || a - b);
      if (nodes.length > 0) this.formOne(nodes, old);
    }
  }

  private formOne(nodes: readonly number[], old: ReadonlyMap<number, { ring: RingOf; cursor: number }>): void {
    this.seq += 4;
    const members = nodes.map((nodeId) => this.member(nodeId));
    const ring: RingOf = { seq: this.seq, rep: this.hostOf(nodes[0]!), nodes, members, log: [] };
    const ends = new Map<RingOf, { readonly until: number; readonly gapAt: number }>();
    for (const nodeId of nodes) {
      const place = old.get(nodeId);
      if (place === undefined) continue;
      const companions = nodes.filter((other) => old.get(other)?.ring === place.ring);
      if (!ends.has(place.ring)) {
        const reached = Math.max(...companions.map((other) => old.get(other)!.cursor));
        const until = reached + this.int(place.ring.log.length - reached + 1);
        ends.set(place.ring, { until: place.ring.log.length, gapAt: until });
      }
      const { until, gapAt } = ends.get(place.ring)!;
      for (let at = place.cursor; at < until; at++) {
        const item = place.ring.log[at]!;
        const { nodeId: from } = 'from' in item ? item.from : 'left' in item ? item.left : item.joined;
        // Behind a gap only what companions sent is delivered.
        if (at < gapAt || companions.some((program) => this.hostOf(program) === from)) this.deliver(nodeId, item);
      }
    }
    for (const nodeId of nodes) {
      this.rings.set(nodeId, { ring, cursor: 0 });
      const node = this.nodes.get(nodeId)!;
      node.members = members;
      this.enqueue(node, () => node.core.membership(members));
      this.enqueue(node, () => node.core.ringChanged({ seq: ring.seq, rep: ring.rep }));
      this.reportQuorum(node, ring);
    }
  }

  private enqueue(node: ToyNode, event: () => void): void {
    node.inbox.push(() => {
      if (node.running) event();
    });
  }

  /** Comes on another connection: not in order with the rest. */
  private readonly quorumEvents: (() => boolean)[] = [];
  private reportQuorum(node: ToyNode, ring: RingOf): void {
    const quorate = new Set(ring.nodes.map((program) => this.hostOf(program))).size > this.size / 2;
    const nodesMin = Math.floor(this.size / 2) + 1;
    this.quorumEvents.push(() => {
      if (node.running && node.paused) return false;
      if (node.running && this.rings.get(node.nodeId)?.ring === ring)
        node.core.quorum({ ringSeq: ring.seq, ringRep: ring.rep, quorate, nodesMin, nodesAll: this.size });
      return true;
    });
  }

  private deliver(nodeId: number, item: RingOf['log'][number]): void {
    const node = this.nodes.get(nodeId);
    if (node === undefined) return;
    if ('from' in item) {
      const message = decodeMessage(item.bytes);
      this.enqueue(node, () => node.core.message(item.from, message!));
      return;
    }
    const other = 'left' in item ? item.left : item.joined;
    node.members = node.members.filter((member) => !sameMember(member, other));
    if ('joined' in item) node.members = [...node.members, other];
    const { members } = node;
    this.enqueue(node, () => node.core.membership(members));
    if ('joined' in item && sameMember(other, this.member(nodeId))) {
      const { ring } = this.rings.get(nodeId)!;
      this.enqueue(node, () => node.core.ringChanged({ seq: ring.seq, rep: ring.rep }));
    }
  }

  /** One thing happens. */
  step(): boolean {
    const choices: (() => void)[] = [];
    const disks: (() => void)[] = [];
    if (this.chance(0.03)) this.quick = this.chance(0.5) ? 0 : 1 + this.int(this.size);
    for (const [nodeId, node] of this.nodes) {
      if (this.quick !== 0 && nodeId !== this.quick && this.chance(0.9)) continue;
      const place = this.rings.get(nodeId);
      if (place !== undefined && node.outbox.length > 0) {
        choices.push(() => {
          place.ring.log.push({ from: this.member(nodeId), bytes: node.outbox.shift()! });
        });
      }
      if (place !== undefined && place.cursor < place.ring.log.length) {
        choices.push(() => this.deliver(nodeId, place.ring.log[place.cursor++]!));
      }
      if (!node.paused && node.inbox.length > 0) choices.push(() => node.inbox.shift()!());
      if (!node.paused && node.diskSafe < node.disk.length)
        (this.hasDisk ? disks : choices).push(() => node.sync(1 + this.int(5)));
    }
    if (choices.length === 0 || this.chance(0.03)) choices.push(...disks); // slower than everything else
    if (this.quorumEvents.length > 0) {
      choices.push(() => {
        const at = this.int(this.quorumEvents.length);
        const [event] = this.quorumEvents.splice(at, 1);
        if (!event!()) this.quorumEvents.push(event!);
      });
    }
    if (choices.length === 0 && this.quick !== 0) {
      this.quick = 0;
      return this.step();
    }
    if (choices.length === 0) return false;
    choices[this.int(choices.length)]!();
    return true;
  }

  /** Programs look at their clocks. */
  tick(ms: number): void {
    this.nowMs += ms;
    for (const node of this.nodes.values()) if (!node.paused) node.core.tick(this.nowMs);
  }

  settle(): void {
    for (let calm = 0, steps = 0; calm < 12; steps++) {
      if (steps > 300_000) throw new Error('it does not come to rest');
      if (this.quorumEvents.length > 0 && [...this.nodes.values()].some(({ paused }) => paused)) {
        if (steps % 1000 === 999) {
          this.tick(PATIENCE_MS);
          calm++;
        }
      }
      if (this.step()) continue;
      calm++;
      this.tick(PATIENCE_MS);
    }
  }

  wander(steps: number): void {
    for (let i = 0; i < steps && this.step(); i++);
  }
}
