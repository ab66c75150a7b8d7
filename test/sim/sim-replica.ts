import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import type { RingId } from '../../src/lib/ring-id.ts';
import {
  type OrderPlace,
  type PersistRecord,
  ReplicaCore,
  type ReplicaHost,
} from '../../src/platform/replicated/core.ts';
import {
  decodeMessage,
  type Entry,
  type Epoch,
  encodeMessage,
  type ReplicaMessage,
} from '../../src/platform/replicated/messages.ts';
import { baseOf } from '../../src/platform/replicated/recovery.ts';
import {
  CPG_CONFIGURATION_CHANGE,
  CPG_DELIVER,
  CPG_JOIN,
  CPG_MCAST,
  CPG_TOTEM_CONFIGURATION,
  decodeCpgConfigurationChange,
} from '../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../src/services/codec/fields.ts';
import { messageError, messageId } from '../../src/services/codec/struct.ts';
import { type CpgConnection, SCRATCH_BYTES } from '../../src/services/cpg/cpg-connection.ts';
import type { CpgCore } from '../../src/services/cpg/cpg-core.ts';
import type { Replicas } from './replicas.ts';

const GROUP = new Uint8Array(Buffer.from('replicated'));
const OK = 1;
/** CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF: the ring comes with the first membership. */
const INITIAL_RING = 1;
const MEMORY_BYTES = 1 << 18;
/** Shorter than it takes to send what waits: members with 300 commands each left each other out again and again (seed 9873). */
const PATIENCE_MS = 300;
/** States that are merged go round as a whole, one of each part: 200 kB, for which a ring with windows of five small packets needs half a second (seed 245). */
const PATIENCE_OF_PARTS_MS = 1000;
/** Records on a disk, after which they are replaced by the state that they lead to. */
const LONG_DISK = 150;
/** Ids of connections that no other client of the node has. */
const CONNECTION_ID = 1_000_000;

/** What the program of one node works with; the simulator's node implements it. */
export interface SimReplicaHost {
  readonly nodeId: number;
  readonly nodes: number;
  readonly life: number;
  readonly tokenMs: number;
  readonly cpg: CpgCore;
  readonly replicas: Replicas;
  now(): number;
  /** In an event of the node, if it lives by then. */
  after(delayMs: number, run: () => void): void;
  violation(text: string): void;
}

/** A program on one node: a replicated machine (its core) as a client of the node's CPG, with a disk. */
export class SimReplica implements ReplicaHost {
  readonly core: ReplicaCore;
  /** The machine's state: how many entries were applied, and a hash of them in their order; without quorum also what they were. */
  count = 0;
  chain = 0;
  private readonly done = new Set<string>();
  /** What the members have reported of their states, by view and round. */
  private readonly reported = new Map<string, Map<string, Epoch | null>>();
  private readonly connection: CpgConnection;
  private readonly memory: FrameMemory = frameMemory(new Uint8Array(MEMORY_BYTES));
  private readonly outbox: Uint8Array[] = [];
  private readonly pid: number;
  private joined = false;
  private claimed = 0;
  private lastError = 0;
  private lastRingSeq = 0;
  /** Records handed over in this life, and how many of them the disk has. */
  private records: PersistRecord[] = [];
  private safe = 0;
  private writing = false;
  /** When the last decision about quorum comes. */
  private quorumAtMs = 0;
  /** Own commands of which nothing was heard yet, with what was known to be done when they were submitted. */
  private readonly waiting = new Map<number, number>();

  constructor(private readonly host: SimReplicaHost) {
    this.pid = 1000 + host.life;
    const base = baseOf(host.replicas.diskOf(host.nodeId));
    if (base !== null && base.snapshot.length > 0) this.restore(base.snapshot);
    this.connection = host.cpg.opened({
      id: CONNECTION_ID,
      memory: this.memory,
      user: { uid: 0, privileged: true },
      scratch: 0,
      respond: (message) => {
        this.lastError = messageError(message);
      },
      dispatch: (message) => this.event(message),
      claim: (bytes) => {
        this.claimed = bytes;
        return SCRATCH_BYTES + bytes <= MEMORY_BYTES ? SCRATCH_BYTES : -1;
      },
      claimed: this.memory,
      commit: () => this.event(this.memory.bytes.slice(SCRATCH_BYTES, SCRATCH_BYTES + this.claimed)),
      hasHungUp: () => false,
    });
    this.core = new ReplicaCore(
      {
        life: this.life,
        quorum: host.replicas.quorum,
        patienceMs: host.replicas.quorum ? PATIENCE_MS : PATIENCE_OF_PARTS_MS,
        merges: !host.replicas.quorum,
        base: base?.snapshot.length === 0 ? { ...base, snapshot: this.snapshot() } : base,
      },
      this,
    );
    this.core.connected({ nodeId: host.nodeId, pid: this.pid });
    this.tick();
  }

  private get life(): string {
    return `n${this.host.nodeId}.${this.host.life}`;
  }

  private tick(): void {
    this.host.after(this.host.tokenMs / 4, () => {
      this.core.tick(this.host.now());
      this.flush();
      this.tick();
    });
  }

  submit(): void {
    const known = this.host.replicas.known;
    this.waiting.set(this.core.submit(Buffer.from('x')), known);
  }

  ended(): void {
    this.host.replicas.ended(this);
  }

  /** It acts, and its submitters have heard of everything; what it hands over has its place. */
  get calm(): boolean {
    return this.core.currentState === 'active' && this.waiting.size === 0 && this.merges.length === 0;
  }

  /** `node:pid:group`, as long as it is in the group. */
  get truth(): readonly string[] {
    return this.joined ? [`${this.host.nodeId}:${this.pid}:${Buffer.from(GROUP)}`] : [];
  }

  describe(): string {
    const { core } = this;
    return `node ${this.host.nodeId} is ${core.currentState} (${core.reason}), applied ${this.count}, waits for ${this.waiting.size}`;
  }

  // ---- the client of CPG ----

  /** What waits goes to the daemon, as far as it takes it now: after token visits. */
  flush(): void {
    if (!this.joined) this.join();
    while (this.joined && this.outbox.length > 0 && this.mcast(this.outbox[0]!)) this.outbox.shift();
  }

  private join(): void {
    const request = CPG_JOIN.message({ group: groupNameValue(GROUP), pid: this.pid, flags: INITIAL_RING });
    this.memory.bytes.set(request, SCRATCH_BYTES);
    const result = this.host.cpg.request(this.connection, SCRATCH_BYTES, request.length);
    this.joined = result === 'done' && this.lastError === OK;
  }

  private mcast(bytes: Uint8Array): boolean {
    const request = CPG_MCAST.message({ guarantee: 2, messageBytes: bytes.length }, bytes);
    this.memory.bytes.set(request, SCRATCH_BYTES);
    return this.host.cpg.request(this.connection, SCRATCH_BYTES, request.length) === 'done';
  }

  private event(bytes: Uint8Array): void {
    switch (messageId(bytes)) {
      case CPG_CONFIGURATION_CHANGE.id:
        this.core.membership(decodeCpgConfigurationChange(bytes)?.members ?? []);
        break;
      case CPG_TOTEM_CONFIGURATION.id: {
        const { ringId } = CPG_TOTEM_CONFIGURATION.decode(bytes)!;
        this.core.ringChanged({ seq: Number(ringId.seq), rep: ringId.rep });
        break;
      }
      case CPG_DELIVER.id: {
        const { nodeId, pid, messageBytes } = CPG_DELIVER.decode(bytes)!;
        const at = bytes.length - messageBytes;
        const message = decodeMessage(
          bytes.subarray(Math.min(at, CPG_DELIVER.bytes), Math.min(at, CPG_DELIVER.bytes) + messageBytes),
        );
        if (message === null) this.host.violation('a message of the replicated machine does not decode');
        else {
          if (message.type === 'state') this.noteState(`${nodeId}.${pid}`, message);
          this.core.message({ nodeId, pid }, message);
        }
        break;
      }
      default:
    }
  }

  private noteState(from: string, { view, round, have }: Extract<ReplicaMessage, { type: 'state' }>): void {
    const key = `${view} ${round}`;
    const reported = this.reported.get(key) ?? new Map<string, Epoch | null>();
    this.reported.set(key, reported.set(from, have.epoch));
  }

  /** Votequorum has decided for the ring that there is. */
  quorum(quorate: boolean, { rep, seq }: RingId): void {
    const { nodes, replicas } = this.host;
    const now = this.host.now();
    this.quorumAtMs = Math.max(this.quorumAtMs, now + replicas.quorumMs()); // in order
    this.host.after(this.quorumAtMs - now, () => {
      const nodesMin = Math.floor(nodes / 2) + 1;
      this.core.quorum({ ringSeq: seq, ringRep: rep, quorate, nodesMin, nodesAll: nodes });
    });
  }

  // ---- for the core ----

  send(message: ReplicaMessage): void {
    this.outbox.push(encodeMessage(message));
  }

  apply(entry: Entry, { index, ringSeq }: OrderPlace, own: number | null): void {
    const { replicas } = this.host;
    const name = `${entry.kind} ${entry.from}:${entry.seq}`;
    const epoch = this.core['plan']?.epoch;
    const isNext = index === this.count + 1 || (epoch === undefined && index > this.count); // of a state that is handed over, commands only
    if (!isNext) this.host.violation(`applies ${index} after ${this.count}`);
    if (ringSeq < this.lastRingSeq) this.host.violation(`applies ring ${ringSeq} after ${this.lastRingSeq}`);
    this.count = index;
    this.lastRingSeq = ringSeq;
    const content = entry.kind === 'merge' ? `${name} ${Buffer.from(entry.payload)}` : name;
    this.hash(content);
    const applied = {
      index,
      name,
      epoch: epoch === undefined ? null : `${epoch.ringRep}.${epoch.ringSeq}/${epoch.number}`,
    };
    this.complain(replicas.appliedAt({ ...applied, name: content }));
    if (!replicas.quorum) this.keep(entry, name);
    const known = own === null ? undefined : this.waiting.get(own);
    if (own === null || known === undefined) return;
    this.waiting.delete(own);
    this.complain(replicas.confirmed(applied, known));
  }

  private hash(text: string): void {
    for (let i = 0; i < text.length; i++) this.chain = (Math.imul(this.chain, 31) + text.charCodeAt(i)) >>> 0;
  }

  /** A command is something that is there once; states of two parts are merged by having what either has. */
  private keep({ kind, payload }: Entry, name: string): void {
    if (kind === 'merge') for (const merged of stateOf(payload).done) this.done.add(merged);
    if (kind !== 'command') return;
    if (this.done.has(name)) this.complain(`applies ${name}, which the state has already`);
    this.done.add(name);
  }

  has(name: string): boolean {
    return this.done.has(name);
  }

  /** What states have that wait to be handed over. */
  onlyInMerges(): string[] {
    return this.merges.flatMap(({ payload }) => stateOf(payload).done);
  }

  private get merges(): Entry[] {
    return [...this.core['pending'].values()].flatMap(({ entry }) => (entry.kind === 'merge' ? [entry] : []));
  }

  applied(own: number): void {
    if (!this.waiting.delete(own)) return; // a state that was handed over
    this.complain(this.host.replicas.included(`command ${this.life}:${own}`));
  }

  private complain(problem: string | null): void {
    if (problem !== null) this.host.violation(`replicated machine: ${problem}`);
  }

  snapshot(): Uint8Array {
    return Buffer.from(JSON.stringify([this.count, this.chain, this.lastRingSeq, ...this.done]));
  }

  restore(snapshot: Uint8Array): void {
    this.judgeChange();
    const { count, chain, lastRingSeq, done } = stateOf(snapshot);
    this.count = count;
    this.chain = chain;
    this.lastRingSeq = lastRingSeq;
    this.done.clear();
    for (const name of done) this.done.add(name);
  }

  /** Its state is about to become that of another member. */
  private judgeChange(): void {
    const { replicas } = this.host;
    const plan = this.core?.['plan'] ?? null; // null: it starts, or returns to its own state
    if (plan === null || replicas.quorum) return;
    const { view, round, self } = this.core['exchange'];
    this.complain(replicas.replaced(self, plan.source, this.reported.get(`${view} ${round}`) ?? new Map()));
  }

  stateChanged(): void {}

  digestOf(): void {}

  // ---- the disk ----

  persist(record: PersistRecord): void {
    this.records.push(record);
    this.write();
  }

  /** One write at a time, of all that is there when it begins. */
  private write(): void {
    if (this.writing || this.safe === this.records.length) return;
    this.writing = true;
    const until = this.records.length;
    this.host.after(this.host.replicas.diskMs(), () => {
      this.writing = false;
      const disk = this.host.replicas.diskOf(this.host.nodeId);
      for (const record of this.records.slice(this.safe, until)) {
        if (record.kind === 'base') disk.length = 0;
        disk.push(record);
      }
      this.safe = until;
      this.core.persisted(until);
      if (disk.length > LONG_DISK && this.safe === this.records.length) this.core.compact();
      this.write();
    });
  }
}

function stateOf(snapshot: Uint8Array) {
  const [count, chain, lastRingSeq, ...done] = JSON.parse(Buffer.from(snapshot).toString()) as [
    number,
    number,
    number,
    ...string[],
  ];
  return { count, chain, lastRingSeq, done };
}
