import { Exchange } from './exchange.ts';
import { ReplicaLog } from './log.ts';
import {
  type Base,
  type Entry,
  type EntryKind,
  type Epoch,
  encodeBase,
  type Have,
  type ReplicaMessage,
  type Sessions,
  sameEpoch,
} from './messages.ts';
import { byNode, type Member, memberName } from './names.ts';
import { Plan } from './plan.ts';
import { PARTS_AHEAD, SnapshotReceiver, SnapshotSender } from './snapshot-transfer.ts';

/** Who is a member from a place in the order on; the payload of an entry of kind `view`. */
export interface ViewMember {
  readonly member: string;
  readonly life: string;
}

/** Where an entry stands, for `apply`: the same at every member. */
export interface OrderPlace {
  /** 1 for the first entry. */
  readonly index: number;
  /** Sequence of the ring in which the entry got its place: grows for ever, as long as the cluster keeps its ring numbers. */
  readonly ringSeq: number;
}

export type ReplicaState =
  /** Not in a ring that may act, or the members have not found together yet. Commands wait. */
  | 'waiting'
  /** Taking the state from another member. Commands wait. */
  | 'joining'
  | 'active';

/** What the core works with: all calls are made in order, and what they do is not seen before the core returns. */
export interface ReplicaHost {
  /** Multicasts to the group; what is handed over is sent in this order. */
  send(message: ReplicaMessage): void;
  /** An entry is at every member that has the state: it becomes part of it. `own`: its number, if this life submitted it. */
  apply(entry: Entry, place: OrderPlace, own: number | null): void;
  /** The own command is part of the state that was taken from another member: its result is not known here. */
  applied(own: number): void;
  snapshot(): Uint8Array;
  restore(snapshot: Uint8Array): void;
  /** Entries and epochs for the disk, in order; `persisted` is called with the number of calls that are safe there. */
  persist(record: PersistRecord): void;
  stateChanged(state: ReplicaState): void;
  digestOf(from: string, index: number, digest: string): void;
}

export type PersistRecord =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'epoch'; readonly epoch: Epoch }
  /** Everything before is replaced. */
  | { readonly kind: 'base'; readonly base: Base };

export interface ReplicaOptions {
  /** Unique among all lives of all members. */
  readonly life: string;
  /** Acts in a quorate ring only. */
  readonly quorum: boolean;
  /** A member that holds up the others for so long is left out. */
  readonly patienceMs: number;
  /** Two parts that both acted: the state of the lesser one becomes an entry of kind `merge`. */
  readonly merges: boolean;
  /** What the disk has. */
  readonly base: Base | null;
}

/** What quorum reports of a ring. */
export interface QuorumState {
  readonly ringSeq: number;
  readonly ringRep: number;
  readonly quorate: boolean;
  /** Nodes that have to have the state, and how many there are in all. */
  readonly nodesMin: number;
  readonly nodesAll: number;
}

interface PendingCommand {
  readonly entry: Entry;
}

/**
 * Own entries that are on their way at a time. Acknowledgements follow behind them, and a new epoch has all sent anew that are not in the log: with as many
 * as wait, members that take longer for them than `patienceMs` would leave each other out again and again (seed 9873 of the simulator).
 */
const IN_FLIGHT = { commands: 64, bytes: 262_144 } as const;

/**
 * A replicated state machine over a process group (docs/platform.md): pure; events of CPG and quorum in, messages and calls of the host out.
 *
 *   ring or membership event ──> exchange of states ──> epoch: entries get places, are stored, acknowledged by all, applied
 *                                        ^                  │ ring, membership, quorum lost, a member that is late
 *                                        └──────────────────┘
 *
 * An entry is applied when every member that has the state of this epoch has acknowledged it. So whatever members go on later, any one
 * of them has all that was ever applied anywhere, and the one with the greatest epoch is the source of the next.
 */
export class ReplicaCore {
  private readonly log = new ReplicaLog();
  private readonly exchange: Exchange;
  /** The last epoch of which this member has the whole state. */
  private epoch: Epoch | null = null;
  /**
   * Another process of this node may have acknowledged more than this member has: its state does not stand for its node any more. As long as
   * this member is in the group it knows: whatever is agreed on there is agreed on by a plan that it sees, too.
   */
  private stale = false;
  private plan: Plan | null = null;
  /** The last epoch that began in the group, with or without this member, while this member was in it. */
  private lastEpoch: Epoch | null = null;
  private numberSeen = 0;
  private ring: { readonly seq: number; readonly rep: number } | null = null;
  private quorumState: QuorumState | null = null;
  private receiver: SnapshotReceiver | null = null;
  private sender: SnapshotSender | null = null;
  private state: ReplicaState = 'waiting';
  private lastSeq = 0;
  /** Own entries without a known place, by number, in order. */
  private readonly pending = new Map<number, PendingCommand>();
  /** The last own entry that was sent in this epoch, and what of them has not come back. */
  private sentSeq = 0;
  private inFlight = 0;
  private inFlightBytes = 0;
  private ackInFlight = false;
  private ackedLength = -1;
  private persistCalls = 0;
  /** What can be acknowledged once so many calls of `persist` are safe. */
  private readonly unsafe: { readonly calls: number; readonly length: number; readonly epoch: Epoch }[] = [];
  private safeLength = -1;
  private lateFor = '';
  private lateForMs = 0;
  private lastTickMs = Number.NEGATIVE_INFINITY;
  /** The own entry with the state that this member still has, and is about to be given another one for; 0: none. */
  private handedOver = 0;

  constructor(
    private readonly options: ReplicaOptions,
    private readonly host: ReplicaHost,
  ) {
    this.exchange = new Exchange(options.life);
    if (options.base !== null) {
      this.log.replace(options.base);
      this.epoch = options.base.epoch;
    }
  }

  // ── what the program does

  /** The number of the entry; its fate follows in `apply` or `applied`. */
  submit(payload: Uint8Array, kind: EntryKind = 'command', sessions?: Sessions): number {
    const seq = ++this.lastSeq;
    const entry: Entry = { kind, from: this.options.life, seq, ringSeq: 0, payload };
    this.pending.set(seq, { entry: sessions === undefined ? entry : { ...entry, sessions } });
    if (this.state === 'active') this.sendWaiting();
    return seq;
  }

  /** The caller does not wait any more. Without a place yet, the entry does not get one in a later epoch. */
  giveUp(seq: number): void {
    this.pending.delete(seq);
  }

  /** What has to be stored instead of everything so far; `null` without a state. */
  base(): Base | null {
    if (this.epoch === null) return null;
    return { epoch: this.epoch, ...this.log.base(), snapshot: this.host.snapshot() };
  }

  get currentState(): ReplicaState {
    return this.state;
  }

  get appliedIndex(): number {
    return this.log.applied;
  }

  /** Why nothing goes on, for people. */
  get reason(): string {
    if (this.state === 'active') return '';
    if (this.ring === null) return 'not in the group yet';
    if (this.options.quorum && !this.isQuorate) return 'this part of the cluster is not quorate';
    if (this.state === 'joining') return 'the state is on its way from another member';
    const missing = this.exchange.missing();
    if (missing.length > 0) return `waiting for ${missing.join(', ')}`;
    return this.exchange.verdict(this.options.quorum);
  }

  /** Everything on the disk so far is replaced by the state that it leads to. */
  compact(): void {
    const base = this.base();
    if (base !== null) this.persist({ kind: 'base', base });
  }

  private get self(): string {
    return this.exchange.self;
  }

  // ── what CPG and quorum report

  /** A connection to the group: who this is there. */
  connected(self: Member): void {
    this.exchange.self = memberName(self);
  }

  /** The processes of the group. */
  membership(members: readonly Member[]): void {
    this.exchange.members = members.map(memberName).sort(byNode);
    this.restart();
  }

  ringChanged(ring: { readonly seq: number; readonly rep: number }): void {
    this.ring = ring;
    this.restart();
  }

  /** The connection to the group is gone; another one may follow. */
  disconnected(): void {
    this.exchange.members = [];
    this.exchange.forget();
    this.ring = null;
    this.quorumState = null;
    this.lastEpoch = null;
    this.stale = true;
    this.suspend();
  }

  quorum(state: QuorumState): void {
    const was = this.isQuorate;
    this.quorumState = state;
    if (!this.options.quorum || this.exchange.view === null) return;
    if (this.exchange.awaitsQuorum) this.sendState();
    else if (was !== this.isQuorate) {
      if (was && this.plan !== null) this.host.send({ type: 'suspend', view: this.exchange.view });
      else this.sendState();
    }
  }

  /** A message of the group in its order. */
  message(from: Member, message: ReplicaMessage): void {
    const name = memberName(from);
    switch (message.type) {
      case 'view':
        this.onView(name, message);
        break;
      case 'state':
        this.onState(name, message);
        break;
      case 'command':
        this.onCommand(message.epoch, message.entry);
        break;
      case 'ack':
        this.onAck(name, message);
        break;
      case 'snapshot':
        this.onSnapshot(name, message);
        break;
      case 'ready':
        this.onReady(name, message);
        break;
      case 'suspend':
        if (this.exchange.view === message.view && this.plan !== null) this.anotherRound();
        break;
      case 'evict':
        this.onEvict(message);
        break;
      case 'rejoin':
        if (this.exchange.readmit(message.view, name)) this.anotherRound();
        break;
      case 'digest':
        this.host.digestOf(name, message.index, message.digest);
        break;
      default: // of a later version
    }
  }

  /** So many calls of `persist` are safe on the disk. */
  persisted(calls: number): void {
    while ((this.unsafe[0]?.calls ?? Number.POSITIVE_INFINITY) <= calls) {
      const { length, epoch } = this.unsafe.shift()!;
      if (this.plan !== null && sameEpoch(epoch, this.plan.epoch)) this.safeLength = Math.max(this.safeLength, length);
    }
    this.acknowledge();
  }

  /** Time passes: whoever holds up the others is left out. A pause of this process itself is not held against them: it has not read what they sent. */
  tick(nowMs: number): void {
    const { patienceMs } = this.options;
    const passedMs = Math.min(nowMs - this.lastTickMs, patienceMs / 2);
    this.lastTickMs = nowMs;
    const late = this.whoIsLate();
    if (late === '' || late !== this.lateFor) {
      this.lateFor = late;
      this.lateForMs = 0;
      return;
    }
    this.lateForMs += passedMs;
    if (this.lateForMs < patienceMs) return;
    this.lateForMs = 0;
    const { view } = this.exchange;
    const [kind, member] = late.split(' ') as [string, string];
    if (kind === 'view') this.startView(this.exchange.members.filter((other) => other !== member));
    else if (view !== null) this.host.send({ type: 'evict', view, member });
  }

  // ── finding together

  private restart(): void {
    this.suspend();
    this.exchange.forget();
    if (this.ring === null || this.exchange.members.length === 0) return;
    if (this.exchange.members[0] === this.self) this.startView(this.exchange.members);
  }

  private startView(members: readonly string[]): void {
    if (this.ring === null) return;
    const serial = this.exchange.nextSerial();
    this.host.send({ type: 'view', serial, members, ring: [this.ring.rep, this.ring.seq] });
  }

  private onView(from: string, view: Extract<ReplicaMessage, { type: 'view' }>): void {
    const { ring } = this;
    if (ring === null || view.ring[0] !== ring.rep || view.ring[1] !== ring.seq) return;
    if (!this.exchange.begin(from, view.serial, view.members)) return;
    this.suspend();
    this.sendState();
    if (!this.exchange.takesPart(this.self)) this.host.send({ type: 'rejoin', view: view.serial });
  }

  private get isQuorate(): boolean {
    const { ring, quorumState } = this;
    if (ring === null || quorumState === null || !quorumState.quorate) return false;
    return quorumState.ringSeq === ring.seq && quorumState.ringRep === ring.rep;
  }

  /** Whether quorum has spoken of this ring. */
  private get quorumKnown(): boolean {
    const { ring, quorumState } = this;
    return quorumState?.ringSeq === ring?.seq && quorumState?.ringRep === ring?.rep;
  }

  private sendState(): void {
    const { view, round } = this.exchange;
    if (view === null || !this.exchange.takesPart(this.self)) return;
    this.exchange.awaitsQuorum = this.options.quorum && !this.quorumKnown;
    if (this.exchange.awaitsQuorum) return;
    this.host.send({
      type: 'state',
      view,
      round,
      quorate: this.isQuorate,
      nodesMin: this.quorumState?.nodesMin ?? 1,
      nodesAll: this.quorumState?.nodesAll ?? 1,
      life: this.options.life,
      numberSeen: Math.max(this.numberSeen, this.epoch?.number ?? 0),
      have: this.have,
    });
  }

  private get have(): Have {
    const { epoch, stale, ring } = this;
    if (epoch === null) return { epoch: null, length: 0, chain: 0, stale: false, newest: false };
    const isOfRing = epoch.ringSeq === ring?.seq && epoch.ringRep === ring.rep;
    const newest = !stale && isOfRing && sameEpoch(epoch, this.lastEpoch);
    return { epoch, length: this.log.length, chain: this.log.chain, stale, newest };
  }

  private onState(from: string, state: Extract<ReplicaMessage, { type: 'state' }>): void {
    if (!this.exchange.note(from, state)) return;
    if (this.plan !== null) {
      if (!state.quorate && this.options.quorum) this.anotherRound();
      return;
    }
    const plan = Plan.of(this.exchange, this.options.quorum, this.ring!);
    if (plan !== null) this.install(plan);
  }

  private anotherRound(): void {
    this.suspend();
    this.exchange.nextRound();
    this.sendState();
  }

  private onEvict({ view, member }: Extract<ReplicaMessage, { type: 'evict' }>): void {
    if (!this.exchange.evict(view, member)) return;
    this.anotherRound();
    if (member === this.self) this.host.send({ type: 'rejoin', view });
  }

  private install(plan: Plan): void {
    if (this.options.merges && plan.mergers.includes(this.self)) this.handOver();
    this.plan = plan;
    this.lastEpoch = plan.epoch;
    this.numberSeen = plan.epoch.number;
    const isFull = plan.full.has(this.self);
    const joiners = plan.members.length > plan.full.size;
    const blob = plan.source === this.self && joiners ? encodeBase(this.base()!) : null;
    if (isFull) {
      this.enter(plan);
      this.setState('active');
      this.sendPending();
    } else {
      if (plan.hasOtherOf(this.self)) this.stale = true;
      // Left out for now: without quorum its state may be one of a part of its own, which nobody of this plan hands over. It takes part in the next one.
      if (!this.options.quorum && !plan.members.includes(this.self)) {
        this.plan = null;
        return;
      }
      this.receiver = new SnapshotReceiver(plan.source);
      this.receiver.later.push(plan.viewEntry());
      this.setState('joining');
    }
    if (blob === null) return;
    this.sender = new SnapshotSender(blob);
    this.sendSnapshot(PARTS_AHEAD);
  }

  /**
   * The state of this member's part is given up, and merged into that of another one. It has to have all that was applied at any member of the part: what this one has
   * not applied yet, too. The program is back in its state afterwards, whatever becomes of this epoch.
   */
  private handOver(): void {
    if (this.handedOver > 0) this.pending.delete(this.handedOver); // when this state was to be merged before, and was not
    const before = this.host.snapshot();
    let { applied } = this.log;
    for (const entry of this.log.entries) {
      const place = { index: ++applied, ringSeq: entry.ringSeq };
      if (entry.kind === 'command' || entry.kind === 'merge') this.host.apply(entry, place, null);
    }
    const isWhole = applied === this.log.applied;
    this.handedOver = this.submit(isWhole ? before : this.host.snapshot(), 'merge', this.log.lastOfAll());
    if (!isWhole) this.host.restore(before);
  }

  /** This member has everything that the epoch begins with. */
  private enter(plan: Plan): void {
    this.epoch = plan.epoch;
    this.stale = false;
    this.persist({ kind: 'epoch', epoch: plan.epoch });
    this.append(plan.viewEntry());
  }

  private suspend(): void {
    this.plan = null;
    this.receiver = null;
    this.sender = null;
    this.ackInFlight = false;
    this.ackedLength = -1;
    this.safeLength = -1;
    this.unsafe.length = 0;
    this.setState('waiting');
  }

  private setState(state: ReplicaState): void {
    if (this.state === state) return;
    this.state = state;
    this.host.stateChanged(state);
  }

  // ── the state on its way to who has not got it

  private sendSnapshot(parts: number): void {
    const { sender, plan } = this;
    if (sender === null || plan === null) return;
    for (const part of sender.next(parts)) this.host.send({ type: 'snapshot', epoch: plan.epoch, ...part });
  }

  private onSnapshot(from: string, message: Extract<ReplicaMessage, { type: 'snapshot' }>): void {
    const { plan, receiver } = this;
    if (plan === null || !sameEpoch(message.epoch, plan.epoch)) return;
    if (from === this.self) this.sendSnapshot(1);
    const base = receiver?.take(from, message) ?? null;
    if (receiver === null || base === null) return;
    this.receiver = null;
    this.handedOver = 0;
    if (this.epoch === null || !this.log.adopt(base)) {
      this.log.replace(base);
      this.host.restore(base.snapshot);
    }
    this.forgetApplied();
    this.epoch = plan.epoch;
    this.stale = false;
    this.persist({ kind: 'base', base: this.base()! });
    for (const entry of receiver.later) this.append(entry);
  }

  /** Own entries that are part of the state already. */
  private forgetApplied(): void {
    for (const seq of [...this.pending.keys()]) {
      if (seq > this.log.appliedOf(this.options.life)) return;
      this.pending.delete(seq);
      this.host.applied(seq);
    }
  }

  private onReady(from: string, { epoch, length }: Extract<ReplicaMessage, { type: 'ready' }>): void {
    const { plan } = this;
    if (plan === null || !sameEpoch(epoch, plan.epoch)) return;
    plan.full.add(from);
    plan.acks.set(from, length);
    if (from === this.self) {
      this.setState('active');
      this.sendPending();
    }
    this.applyAgreed();
    if (from !== this.self || this.plan !== plan) return;
    this.ackInFlight = false;
    this.acknowledge();
  }

  // ── entries

  private sendCommand(entry: Entry): void {
    if (this.plan === null) return;
    const { epoch } = this.plan;
    this.host.send({ type: 'command', epoch, entry: { ...entry, ringSeq: epoch.ringSeq } });
  }

  /** In a new epoch: what was on its way in the one before is not. */
  private sendPending(): void {
    this.sentSeq = this.log.lastOf(this.options.life);
    this.inFlight = 0;
    this.inFlightBytes = 0;
    this.sendWaiting();
  }

  private sendWaiting(): void {
    while (this.sentSeq < this.lastSeq && this.inFlight < IN_FLIGHT.commands && this.inFlightBytes < IN_FLIGHT.bytes) {
      const waiting = this.pending.get(++this.sentSeq);
      if (waiting === undefined) continue;
      this.inFlight++;
      this.inFlightBytes += waiting.entry.payload.length;
      this.sendCommand(waiting.entry);
    }
  }

  private arrived({ payload }: Entry): void {
    this.inFlight = Math.max(0, this.inFlight - 1);
    this.inFlightBytes = Math.max(0, this.inFlightBytes - payload.length);
    if (this.state === 'active') this.sendWaiting();
  }

  private onCommand(epoch: Epoch, entry: Entry): void {
    if (this.plan === null || !sameEpoch(epoch, this.plan.epoch)) return; // its sender sends it again
    if (this.receiver !== null) this.receiver.later.push(entry);
    else this.append(entry);
    if (entry.from === this.options.life) this.arrived(entry);
  }

  private append(entry: Entry): void {
    if (!this.log.append(entry)) return;
    this.persist({ kind: 'entry', entry });
  }

  private persist(record: PersistRecord): void {
    const { plan } = this;
    this.persistCalls++;
    if (plan !== null) this.unsafe.push({ calls: this.persistCalls, length: this.log.length, epoch: plan.epoch });
    this.host.persist(record);
  }

  /** One acknowledgement is on its way at a time: the next one covers what came meanwhile. */
  private acknowledge(): void {
    const { plan } = this;
    if (plan === null || this.receiver !== null || this.ackInFlight) return;
    if (this.options.quorum && !this.isQuorate) return;
    const length = Math.min(this.safeLength, this.log.length);
    if (length <= this.ackedLength) return;
    const chain = this.log.chainAt(length);
    if (chain === null) return;
    this.ackInFlight = true;
    this.ackedLength = length;
    if (plan.full.has(this.self)) this.host.send({ type: 'ack', epoch: plan.epoch, length, chain });
    else this.host.send({ type: 'ready', epoch: plan.epoch, length });
  }

  private onAck(from: string, { epoch, length, chain }: Extract<ReplicaMessage, { type: 'ack' }>): void {
    const { plan } = this;
    if (plan === null || !sameEpoch(epoch, plan.epoch) || !plan.full.has(from)) return;
    if (this.receiver === null) {
      const own = this.log.chainAt(length);
      if (own === null || own !== chain) return; // of entries that are not here: the ring is about to change
    }
    plan.acks.set(from, Math.max(length, plan.acks.get(from) ?? -1));
    this.applyAgreed();
    if (from !== this.self) return;
    this.ackInFlight = false;
    this.acknowledge();
  }

  private applyAgreed(): void {
    const { plan } = this;
    if (plan === null || this.receiver !== null || !plan.mayApply) return;
    const agreed = plan.agreedLength();
    while (this.log.applied < agreed) {
      const entry = this.log.advance();
      if (entry === null) return;
      const own = entry.from === this.options.life && this.pending.delete(entry.seq) ? entry.seq : null;
      this.host.apply(entry, { index: this.log.applied, ringSeq: entry.ringSeq }, own);
      if (entry.kind === 'merge') this.forgetApplied();
      if (this.plan !== plan) return;
    }
  }

  // ── who is late

  private whoIsLate(): string {
    const { members, view } = this.exchange;
    if (this.ring === null || members.length < 2) return '';
    if (view === null) return members[0] === this.self ? '' : `view ${members[0]}`;
    if (!this.exchange.takesPart(this.self)) return '';
    const { plan } = this;
    if (plan === null)
      return prefixed(
        'state',
        this.exchange.missing().find((member) => member !== this.self),
      );
    if (this.receiver !== null) return `part${this.receiver.received} ${plan.source}`;
    if (this.log.applied >= this.log.length) return '';
    return prefixed(`ack${this.log.applied}`, plan.slowest(this.log.applied + 1, this.self));
  }
}

const prefixed = (what: string, member: string | undefined): string =>
  member === undefined ? '' : `${what} ${member}`;
