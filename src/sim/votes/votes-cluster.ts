import type { Icmap } from '../../config/icmap/index.ts';
import { defaultNumber } from '../../config/options/index.ts';
import type { LogFunction } from '../../lib/log.ts';
import type { RingId } from '../../lib/ring-id.ts';
import type { EngineTimer } from '../../services/engine.ts';
import { VotesNode } from './votes-node.ts';

/** Parts into which a cluster can fall. */
export const PARTITIONS_MAX = 16;
/** A ring's number grows by so much with each membership, as Totem's does. */
const SEQ_STEP = 4;
/** The numbers of rings without a member. */
const NOBODY_REP = 1000;

export interface VotesClusterPorts {
  setTimer(delayMs: number, callback: () => void): EngineTimer;
  nowMs(): number;
  /** Calls back soon, in order. */
  post(callback: () => void): void;
  /** A map of its own for each node. */
  newMap(): Icmap;
  /** Something has happened: `stable` may have changed. */
  happened(): void;
  reported(node: VotesMember): void;
  ended(node: VotesMember, why: 'on request' | 'autofenced'): void;
  problem(text: string): void;
  log: LogFunction;
}

interface Partition {
  readonly number: number;
  members: VotesMember[];
  ringId: RingId;
}

export interface VotesMember {
  readonly node: VotesNode;
  partition: Partition;
}

const NODE_PREFIX = 'nodelist.node.';
const DEVICE_TIMEOUT_KEY = 'quorum.device.timeout';

/**
 * Nodes in parts of a cluster, which find together and fall apart as they are told. Each has a votequorum of its own; their messages go
 * to all nodes of the part in one order, as on a ring.
 */
export class VotesCluster {
  readonly partitions: readonly Partition[] = Array.from({ length: PARTITIONS_MAX }, (_, number) => ({
    number,
    members: [],
    ringId: { rep: NOBODY_REP + number, seq: 0 },
  }));
  autofence = false;
  /** Reports of all nodes so far. */
  reports = 0;
  private underWay = 0;
  private fencePending = false;

  constructor(
    private readonly configuration: Icmap,
    private readonly ports: VotesClusterPorts,
  ) {}

  // ---- what is asked of it ----

  /** The nodes of the configuration that have an address and an id, in its order. */
  configured(): readonly number[] {
    const ids: number[] = [];
    for (const key of this.configuration.keysWithPrefix(NODE_PREFIX)) {
      const [, position] = /^nodelist\.node\.(\d+)\.ring0_addr$/.exec(key) ?? [];
      const nodeId = position === undefined ? null : this.configuration.getU32(`${NODE_PREFIX}${position}.nodeid`);
      if (nodeId !== null) ids.push(nodeId);
    }
    return ids;
  }

  find(nodeId: number): VotesMember | undefined {
    for (const { members } of this.partitions) {
      const found = members.find(({ node }) => node.nodeId === nodeId);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  add(nodeId: number, partition: Partition): void {
    const cmap = this.ports.newMap();
    cmap.copyFrom(this.configuration);
    cmap.setU32('nodelist.local_node_pos', this.positionOf(nodeId));
    const timeoutMs = this.configuration.getU32(DEVICE_TIMEOUT_KEY) ?? defaultNumber('quorum.device', 'timeout');
    const early: (() => void)[] = [];
    let ready: VotesMember | null = null;
    const whenReady = (callback: (member: VotesMember) => void): void => {
      if (ready === null) early.push(() => callback(member));
      else callback(ready);
    };
    const node = new VotesNode(
      nodeId,
      cmap,
      {
        multicast: (fn, payload) => whenReady((from) => this.multicast(from, fn, payload.slice())),
        reported: () => whenReady((from) => this.reported(from)),
        processed: () => whenReady(({ partition: of }) => this.passBarrier(of)),
        setTimer: (delayMs, callback) => this.ports.setTimer(delayMs, () => this.run(callback)),
        nowMs: () => this.ports.nowMs(),
        log: this.ports.log,
        problem: (text) => this.ports.problem(text),
      },
      timeoutMs,
    );
    const member: VotesMember = { node, partition };
    ready = member;
    partition.members.push(member);
    for (const callback of early) callback();
    this.form(partition, true);
  }

  /** Nodes that the configuration does not know have the votes of its first one. */
  private positionOf(nodeId: number): number {
    for (const key of this.configuration.keysWithPrefix(NODE_PREFIX)) {
      const [, position] = /^nodelist\.node\.(\d+)\.nodeid$/.exec(key) ?? [];
      if (position !== undefined && this.configuration.getU32(key) === nodeId) return Number(position);
    }
    return 0;
  }

  stop(member: VotesMember): void {
    this.post(() => this.end(member, 'on request'));
  }

  move(member: VotesMember, to: Partition): void {
    member.partition.members = member.partition.members.filter((one) => one !== member);
    to.members.push(member);
    member.partition = to;
  }

  /** Tells every node who is with it; `newRing`: as after a change of the network. */
  update(newRing: boolean): void {
    this.fencePending = true;
    for (const partition of this.partitions) this.form(partition, newRing);
  }

  setDevice({ node }: VotesMember, on: boolean): void {
    this.post(() => node.setDevice(on));
  }

  // ---- what it says ----

  /** All nodes of each part are on the same ring, as far as they have said, and have nothing more to do. */
  get stable(): boolean {
    return this.underWay === 0 && this.partitions.every(({ members }) => settledTogether(members));
  }

  /** Nodes without quorum go, where others have it. To be called when the cluster is stable; `true`: some go. */
  fence(): boolean {
    if (!this.fencePending || !this.autofence) return false;
    const all = this.partitions.flatMap(({ members }) => members);
    const isQuorate = ({ node }: VotesMember): boolean => node.report?.quorate === true;
    if (!all.some(isQuorate)) return false;
    this.fencePending = false;
    const losers = all.filter((member) => !isQuorate(member));
    for (const member of losers) this.post(() => this.end(member, 'autofenced'));
    return losers.length > 0;
  }

  // ---- inside ----

  private end(member: VotesMember, why: 'on request' | 'autofenced'): void {
    if (member.node.quit) return;
    member.node.quit = true;
    this.ports.ended(member, why);
    const { partition } = member;
    partition.members = partition.members.filter((one) => one !== member);
    this.form(partition, true);
  }

  private form(partition: Partition, newRing: boolean): void {
    const { rep, seq } = partition.ringId;
    const members = partition.members.map(({ node }) => node.nodeId);
    const ringId = { rep: members[0] ?? rep, seq: newRing ? seq + SEQ_STEP : seq };
    partition.ringId = ringId;
    for (const { node } of partition.members) this.post(() => node.synchronize(members, ringId));
  }

  /** As in a daemon: everybody's words have come round before anybody decides. */
  private passBarrier({ members }: Partition): void {
    if (!members.every(({ node }) => node.atBarrier)) return;
    for (const { node } of members) this.post(() => node.activate());
  }

  private multicast(from: VotesMember, fn: number, payload: Uint8Array): void {
    this.post(() => {
      for (const { node } of from.partition.members) node.deliver(fn, payload, from.node.nodeId);
    });
  }

  private reported(member: VotesMember): void {
    this.reports++;
    this.ports.reported(member);
  }

  private post(callback: () => void): void {
    this.underWay++;
    this.ports.post(() => {
      this.underWay--;
      this.run(callback);
    });
  }

  private run(callback: () => void): void {
    callback();
    this.ports.happened();
  }
}

function settledTogether(members: readonly VotesMember[]): boolean {
  const seqs = new Set(members.map(({ node }) => node.report?.ringId.seq ?? 0));
  return seqs.size <= 1 && members.every(({ node }) => node.settled);
}
