import type { FrameMemory } from '../../src/lib/frame-memory.ts';
import type { ConfigurationChange } from '../../src/lib/ring-id.ts';
import { ServiceId } from '../../src/services/codec/ids.ts';
import { SyncCore, type SyncParticipant } from '../../src/services/sync/sync-core.ts';
import type { TrackingFile } from '../../src/services/votequorum/tracking-file.ts';
import type { Random } from '../../src/sim/random.ts';
import type { NodeSettings } from '../../src/testing/quorum-node.ts';
import { FrameClass, Group, ProcessGroups, type SrpTimings } from '../../src/totem/index.ts';
import { checkInvariants, checkOwnership } from '../../src/totem/invariants.ts';
import { Timer } from '../../src/totem/timer-table.ts';
import { commitTokenBytes, readCommitToken } from '../../src/totem/wire/commit-token.ts';
import { FrameType, HEADER, readU64 } from '../../src/totem/wire/header.ts';
import { MCAST, MCAST_HEADER_BYTES } from '../../src/totem/wire/mcast.ts';
import type { Agreements } from './agreements.ts';
import type { Checker, View } from './checker.ts';
import { type KnetLines, LOCAL, unwrap } from './knet-lines.ts';
import { giveMemory, takeMemory } from './memory-store.ts';
import type { Replicas } from './replicas.ts';
import { SimCfg } from './sim-cfg.ts';
import { SimCpg } from './sim-cpg.ts';
import { SimKnet } from './sim-knet.ts';
import { SimQuorum } from './sim-quorum.ts';
import { SimReplica } from './sim-replica.ts';

/** Every so many tokens that could wait do. */
const WAITING_EVERY = 3;
const FRAME_NAMES = ['ORF token', 'MCAST', 'MERGE_DETECT', 'JOIN', 'commit token', 'HOLD_CANCEL', 'SILENCE'];
const TIMER_NAMES = Object.fromEntries(
  Object.entries(Timer).map(([name, timer]) => [timer, `${name.toLowerCase().replaceAll('_', ' ')} timer`]),
);
/** Where a datagram is put for `receive`. */
const INPUT_BYTES = 66_000;
const INBOX_MAX = 400;
/** Datagrams of knet, of which a frame may take many. */
const KNET_INBOX_MAX = 4000;
/** Events between two looks at all slots, which take as long as some hundred events. */
const OWNERSHIP_EVERY = 1000;
const IP_AND_UDP_BYTES = 28;
/** By so much the sum of two times may be off. */
const ROUNDING_MS = 0.001;
const MESSAGE_MAGIC = 0x51a7e5;
const MESSAGE_HEADER_BYTES = 20;

export interface SimNodeOptions {
  readonly index: number;
  readonly nodeId: number;
  readonly life: number;
  readonly storedRingSeq: number;
  readonly timings: SrpTimings;
  readonly netMtu: number;
  readonly regionBytes: number;
  /** udp: tokens come through their own socket and are read first; the core drains the multicasts (totem.md 6.3). */
  readonly separateSockets: boolean;
  readonly ownCopies: boolean;
  /** Sends commit tokens on without their trailer, as a stock node does (totem.md 12). */
  readonly stockTokens: boolean;
  readonly diskMs: () => number;
  /** With votequorum: its options, and its file, which outlives the node. */
  readonly votes: { readonly settings: NodeSettings; readonly trackingFile: TrackingFile } | null;
  /** With knet between Totem and the network. */
  readonly lines: KnetLines | null;
  /** With a program that has a replicated machine; with votequorum. */
  readonly replicas: Replicas | null;
  /** With clients of cfg, and reloads. */
  readonly agreements: Agreements | null;
}

export interface SimNodeWorld {
  readonly random: Random;
  readonly checker: Checker;
  now(): number;
  after(delayMs: number, run: () => void): void;
  send(from: number, toNodeId: number | 'all', frame: Uint8Array): void;
  persist(nodeId: number, ringSeq: number): void;
  /** For the table of coverage: this event comes to a core in this state. */
  visit?(state: string, event: string): void;
  /** A fault has happened that did not come from outside. */
  note?(kind: string, text: string): void;
  /** The core wants to know whether a node still replies. */
  probe(by: number, nodeId: number): void;
  readonly nodeIds: readonly number[];
  quorumDecided(node: SimNode, members: readonly number[], quorate: boolean): void;
  knows(nodeId: number): boolean;
  /** Lets a test plant a bug in a node that was just made. */
  spoil?(node: SimNode): void;
}

interface Outgoing {
  readonly to: number | 'all';
  readonly offset: number;
  readonly length: number;
  /** With knet: how often it was sent before, or how many copies of what was lost go out; 0: neither. */
  readonly repeat: number;
  readonly copies: number;
}

const CHUNK_BYTES = 1 << 20;
let chunk = new Uint8Array(CHUNK_BYTES);
let chunkUsed = 0;

/** A frame on its way. A buffer for each would cost more than the copy. */
function copyOf(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  if (chunkUsed + length > CHUNK_BYTES) {
    chunk = new Uint8Array(CHUNK_BYTES);
    chunkUsed = 0;
  }
  const copy = chunk.subarray(chunkUsed, chunkUsed + length);
  copy.set(bytes.subarray(offset, offset + length));
  chunkUsed += length;
  return copy;
}

/** One life of one node: the real cores, with simulated sockets, disk and services. */
export class SimNode {
  readonly groups: ProcessGroups;
  readonly sync: SyncCore;
  readonly cpg: SimCpg;
  readonly quorum: SimQuorum | null;
  readonly knet: SimKnet | null;
  readonly replica: SimReplica | null;
  readonly cfg: SimCfg | null;
  readonly view: View;
  readonly memory: FrameMemory;
  alive = true;
  pausedUntil = 0;
  /** Events that the core has been given. */
  events = 0;
  private inbox: Uint8Array[] = [];
  private tokenInbox: Uint8Array[] = [];
  private outbox: Outgoing[] = [];
  /** What knet has said of other nodes, until the core may be told. */
  private news: (() => void)[] = [];
  /** What is due and waits for the end of a pause. */
  private readonly deferred: (() => void)[] = [];
  private processing = false;
  /** Messages keep their order within a queue, and the transitional queue's within one change (totem.md 5.5). */
  private epoch = 1;
  private diskAsked = 0;
  /** Whether clients are about to send was asked so often. */
  private asked = 0;
  private readonly counters = new Map<number, number>();
  private readonly scratch = new Uint8Array(MESSAGE_HEADER_BYTES + 70_000);

  constructor(
    readonly options: SimNodeOptions,
    private readonly world: SimNodeWorld,
  ) {
    this.memory = takeMemory(INPUT_BYTES + options.regionBytes);
    this.view = world.checker.born(options.nodeId, options.life);
    this.groups = new ProcessGroups({
      nodeId: options.nodeId,
      netMtu: options.netMtu,
      timings: options.timings,
      storedRingSeq: options.storedRingSeq,
      reservedRingSeq: options.storedRingSeq,
      memory: this.memory,
      regionOffset: INPUT_BYTES,
      regionBytes: options.regionBytes,
      nowMs: world.now(),
      random: world.random.unit,
      network: {
        sendToken: (to, offset, length, repeat) => this.sendToken(to, offset, length, repeat),
        multicast: (offset, length, frameClass, repeat) => this.multicast(offset, length, frameClass, repeat, 0),
        resend: (offset, length, copies) => this.multicast(offset, length, FrameClass.NOFLUSH, 0, copies),
        sendNow: () => this.sendNow(),
        knowsTarget: (nodeId) => world.knows(nodeId),
        multicastSocket: options.separateSockets ? { drain: () => this.drainMulticasts() } : null,
        watchedInterface: null,
        heartbeats: { probe: (nodeId) => this.probe(nodeId) },
        discardInput: () => this.discardInput(),
      },
      observer: { report: (event) => this.observed(event) },
      user: {
        deliver: (group, from, memory, offset, length) => this.deliver(group, from, memory, offset, length),
        configurationChange: (change) => this.configurationChange(change),
        sendsSoon: () => this.asked++ % WAITING_EVERY === 0,
        tokenSent: () => this.tokenSent(),
        reserveRingSeq: (upTo) => this.reserve(upTo),
      },
    });
    this.sync = new SyncCore(options.nodeId, {
      mcastSync: (message) => this.groups.mcast(Group.SYNC, message),
      inProgressChanged: () => {},
      lastBarrierQueued: () => this.lastBarrierQueued(),
      completed: (ringId) => this.syncCompleted(ringId),
      late: () => {},
      dropped: () => {},
    });
    this.cpg = new SimCpg({
      nodeId: options.nodeId,
      groups: this.groups,
      syncInProgress: () => this.sync.isInProgress(),
      random: (low, high) => world.random.between(low, high),
      violation: (text) => world.checker.violation(this.view, text),
    });
    this.sync.add(this.participant(0));
    this.tapCore();
    this.tapTimers();
    this.quorum = options.votes === null ? null : this.makeQuorum(options.votes);
    this.sync.add(this.quorum?.sync ?? this.participant(ServiceId.VOTEQUORUM));
    this.sync.add(this.cpg.core.sync);
    this.knet = options.lines === null ? null : this.makeKnet(options.lines);
    this.replica = options.replicas === null ? null : this.makeReplica(options.replicas);
    this.cfg = options.agreements === null ? null : this.makeCfg(options.agreements);
    world.spoil?.(this);
  }

  private makeQuorum(votes: NonNullable<SimNodeOptions['votes']>): SimQuorum {
    const { world, options } = this;
    return new SimQuorum({
      ...votes,
      nodeId: options.nodeId,
      nodeIds: world.nodeIds,
      groups: this.groups,
      alive: () => this.alive,
      now: () => world.now(),
      after: (delayMs, run) => world.after(delayMs, () => this.alive && this.event(run)),
      syncInProgress: () => this.sync.isInProgress(),
      decided: (members, quorate, ringId) => {
        world.quorumDecided(this, members, quorate);
        this.replica?.quorum(quorate, ringId);
      },
    });
  }

  private makeReplica(replicas: Replicas): SimReplica {
    const { world, options } = this;
    return new SimReplica({
      nodeId: options.nodeId,
      nodes: world.nodeIds.length,
      life: options.life,
      tokenMs: options.timings.tokenMs,
      cpg: this.cpg.core,
      replicas,
      now: () => world.now(),
      after: (delayMs, run) => this.later(delayMs, run),
      violation: (text) => world.checker.violation(this.view, text),
    });
  }

  private makeCfg(agreements: Agreements): SimCfg {
    const { world, view } = this;
    return new SimCfg({
      nodeId: this.options.nodeId,
      groups: this.groups,
      agreements,
      now: () => world.now(),
      after: (delayMs, run) => this.later(delayMs, run),
      syncInProgress: () => this.sync.isInProgress(),
      get ring() {
        return view.ring ?? 'none';
      },
      violation: (text) => world.checker.violation(view, text),
      shutdown: () =>
        world.after(0, () => {
          if (!this.running || agreements.over) return;
          this.leave();
          this.crash();
          world.note?.('leave', `shutdown of ${this.options.nodeId}, as its clients agree`);
        }),
    });
  }

  /** Something happens at the cfg of this node. */
  cfgAct(what: 'reload' | 'client', random: (low: number, high: number) => number): void {
    if (!this.running) return;
    this.event(() => {
      if (what === 'client') this.cfg?.act(random);
      else if (!this.sync.isInProgress()) this.cfg?.requestReload();
    });
  }

  /** In an event of this node, unless it dies before; after a pause if it is in one, in order. */
  private later(delayMs: number, run: () => void): void {
    this.world.after(delayMs, () => {
      if (!this.alive) return;
      this.deferred.push(run);
      this.runDeferred();
    });
  }

  private runDeferred(): void {
    if (!this.alive) return;
    if (!this.running) {
      this.world.after(this.pausedUntil - this.world.now() + ROUNDING_MS, () => this.runDeferred());
      return;
    }
    for (let run = this.deferred.shift(); run !== undefined && this.alive; run = this.deferred.shift()) this.event(run);
  }

  private makeKnet(lines: KnetLines): SimKnet {
    const { world, options } = this;
    const { index, nodeId, life } = options;
    const me = `${nodeId}/${life}`;
    return new SimKnet({
      nodeId,
      config: lines.configOf(nodeId),
      sealed: lines.sealed,
      now: () => world.now(),
      post: (to, linkId, bytes) => lines.post(index, to, linkId, bytes, bytes.length + IP_AND_UDP_BYTES),
      probe: (to, linkId, bytes, ipBytes) => lines.probe(index, to, linkId, bytes, ipBytes),
      deliver: (memory, offset, length, from) => {
        const problem = lines.noteReceived(me, from, memory.bytes, offset, length);
        if (problem !== null) world.checker.violation(this.view, problem);
        this.world.visit?.(this.groups.srp.phase, FRAME_NAMES[memory.bytes[offset + HEADER.type]!]!);
        this.memory.bytes.set(memory.bytes.subarray(offset, offset + length), 0);
        this.groups.srp.receive(0, length);
      },
      report: (report) => {
        const { kind } = report;
        if (kind === 'peerRestarted' || kind === 'hostReachable') lines.forgotten(me, report.nodeId);
        if (kind === 'hostDied') this.news.push(() => this.groups.srp.memberDied(report.nodeId));
        if (kind === 'hostSilent') this.news.push(() => this.groups.srp.memberSilent(report.nodeId, report.silentMs));
      },
      violation: (text) => world.checker.violation(this.view, text),
    });
  }

  private probe(nodeId: number): void {
    if (this.knet === null) this.world.probe(this.options.index, nodeId);
    else this.knet.core.probeHost(nodeId, this.world.now());
  }

  /** The kernel of a peer says on a link that nobody listens. */
  knetRefused(nodeId: number, linkId: number): void {
    if (this.running) this.event(() => this.knet?.refused(nodeId, linkId));
  }

  /** The checker listens between the ring protocol and the process groups. */
  private tapCore(): void {
    const { state } = this.groups.srp;
    const user = state.user;
    const { deliverPacket, switchAssembly } = user;
    const { bytes, view } = this.memory;
    const body = { bytes, offset: 0, length: 0 };
    user.deliverPacket = (from, offset, length, littleEndian) => {
      const header = offset - MCAST_HEADER_BYTES;
      const rep = view.getUint32(header + MCAST.ringRep, true);
      const ringSeq = readU64(view, header + MCAST.ringSeq, true);
      body.offset = offset;
      body.length = length;
      this.world.checker.packet(this.view, rep, ringSeq, view.getUint32(header + MCAST.seq, true), from, body);
      deliverPacket(from, offset, length, littleEndian);
      this.world.checker.packetDone(this.view);
    };
    user.switchAssembly = () => {
      this.epoch++;
      this.view.reference.use('transitional');
      switchAssembly();
    };
  }

  private tapTimers(): void {
    const { timers } = this.groups.srp.state;
    const takeDue = timers.takeDue.bind(timers);
    timers.takeDue = () => {
      const timer = takeDue();
      if (timer >= 0) this.world.visit?.(this.groups.srp.phase, TIMER_NAMES[timer]!);
      return timer;
    };
  }

  /** A service that sends its state in the process phase; sometimes it needs several tries. */
  private participant(serviceId: number): SyncParticipant {
    let toSend = 0;
    return {
      serviceId,
      init: () => {
        toSend = this.world.random.between(0, 3);
      },
      process: () => {
        while (toSend > 0 && this.multicastMessage(this.world.random.between(0, 800))) toSend--;
        return toSend > 0 || this.world.random.chance(0.1) ? 'again' : 'done';
      },
      activate: () => {},
      abort: () => {},
    };
  }

  /** An engine may want to multicast at any time, also now. */
  private lastBarrierQueued(): void {
    this.groups.holdServices();
    if (this.world.random.chance(0.5)) this.multicastMessage(this.world.random.between(0, 100));
  }

  private tokenSent(): void {
    if (this.sync.isInProgress()) this.sync.retry();
    this.cpg.core.retry();
    this.replica?.flush();
  }

  /** A client of the node does something. */
  cpgAct(): void {
    if (this.running) this.event(() => this.cpg.act());
  }

  start(): void {
    this.event(() => this.groups.srp.interfaceChanged());
  }

  interfaceChanged(): void {
    if (this.running) this.event(() => this.groups.srp.interfaceChanged(), 'interface');
  }

  forceGather(): void {
    if (this.running) this.event(() => this.groups.srp.forceGather(), 'force gather');
  }

  memberDied(nodeId: number): void {
    if (this.running) this.event(() => this.groups.srp.memberDied(nodeId), 'member died');
  }

  memberSilent(nodeId: number, silentMs: number): void {
    if (this.running) this.event(() => this.groups.srp.memberSilent(nodeId, silentMs), 'member silent');
  }

  /** Other timings, as a reload brings them. */
  reload(timings: SrpTimings): void {
    if (this.running) this.event(() => this.groups.srp.setTimings(timings), 'reload');
  }

  leave(): void {
    if (this.running) this.event(() => this.groups.srp.leave(), 'leave');
  }

  crash(): void {
    if (!this.alive) return;
    this.alive = false;
    this.view.alive = false;
    this.replica?.ended();
    giveMemory(this.memory);
    this.knet?.close();
  }

  /** A pause ends early: the sockets are read at once, too, not when the pause would have been over. */
  resume(): void {
    if (this.pausedUntil <= this.world.now()) return;
    this.pausedUntil = this.world.now();
    if (this.processing) this.wake(0);
    this.world.after(0, () => this.runDeferred());
  }

  get running(): boolean {
    return this.alive && this.world.now() >= this.pausedUntil;
  }

  get settled(): boolean {
    return this.groups.srp.phase === 'operational' && !this.sync.isInProgress() && this.view.pending.size === 0;
  }

  /** Packets that wait for the token. */
  get queuedPackets(): number {
    const { state } = this.groups.srp;
    return state.newQueue.length + state.transQueue.length;
  }

  /** Packets that have to wait for the next configuration change. */
  get stuck(): boolean {
    const { state } = this.groups.srp;
    return !state.waitingTransAck && state.transQueue.length > 0;
  }

  nextDeadlineMs(): number {
    if (!this.alive) return Number.POSITIVE_INFINITY;
    const knetMs = this.knet?.core.nextDeadlineMs(this.world.now()) ?? Number.POSITIVE_INFINITY;
    return Math.max(Math.min(this.groups.srp.nextDeadlineMs(), knetMs), this.pausedUntil);
  }

  tick(): void {
    const now = this.world.now();
    this.event(() => {
      const { srp } = this.groups;
      srp.tick(now);
      if (srp.nextDeadlineMs() <= now)
        this.world.checker.violation(
          this.view,
          `the next deadline is ${srp.nextDeadlineMs()} after a tick at ${now}: the loop would turn for it`,
        );
      this.knet?.tick();
    });
  }

  /** A datagram reaches the socket. */
  arrive(frame: Uint8Array): void {
    if (!this.alive) return;
    const type = this.knet === null ? frame[HEADER.type] : null;
    const token = type === FrameType.ORF_TOKEN || type === FrameType.COMMIT_TOKEN;
    const box = token && this.options.separateSockets ? this.tokenInbox : this.inbox;
    if (box.length >= (this.knet === null ? INBOX_MAX : KNET_INBOX_MAX)) return;
    box.push(frame);
    if (this.processing) return;
    this.processing = true;
    this.wake(this.world.random.real(0, 0.05));
  }

  private wake(delayMs: number): void {
    this.world.after(Math.max(delayMs, this.pausedUntil - this.world.now()), () => {
      if (!this.alive) return;
      if (!this.running) {
        this.wake(0);
        return;
      }
      this.processing = false;
      this.readSockets();
    });
  }

  private readSockets(): void {
    while (this.tokenInbox.length > 0 || this.inbox.length > 0) {
      const frame = this.tokenInbox.shift() ?? this.inbox.shift()!;
      if (this.knet === null) this.event(() => this.receive(frame), FRAME_NAMES[frame[HEADER.type]!]);
      else this.event(() => this.receiveDatagram(frame));
    }
    this.tick();
  }

  private receiveDatagram(datagram: Uint8Array): void {
    const { from, linkId, bytes } = unwrap(datagram);
    if (linkId !== LOCAL) {
      this.knet?.accept(this.world.nodeIds[from]!, linkId, bytes);
      return;
    }
    this.world.visit?.(this.groups.srp.phase, FRAME_NAMES[bytes[HEADER.type]!]!);
    this.receive(bytes);
  }

  private receive(frame: Uint8Array): void {
    this.memory.bytes.set(frame, 0);
    this.groups.srp.receive(0, frame.length);
  }

  private drainMulticasts(): void {
    while (this.inbox.length > 0) this.receive(this.inbox.shift()!);
  }

  private discardInput(): number {
    const count = this.inbox.length + this.tokenInbox.length;
    this.inbox = [];
    this.tokenInbox = [];
    return count;
  }

  private sendToken(to: number, offset: number, length: number, repeat: number): void {
    const { view } = this.memory;
    const cut = this.options.stockTokens && view.getUint8(offset + HEADER.type) === FrameType.COMMIT_TOKEN;
    const known = cut ? commitTokenBytes(readCommitToken(view, offset, length, true).addr.length) : length;
    this.outbox.push({ to, offset, length: known, repeat, copies: 0 });
  }

  private multicast(offset: number, length: number, frameClass: number, repeat: number, copies: number): void {
    this.outbox.push({ to: 'all', offset, length, repeat, copies });
    if (frameClass === FrameClass.NOFLUSH && !this.options.ownCopies) this.groups.srp.noteOwnCopies(1);
  }

  /** One event of the core; what it sends leaves afterwards, when nothing may have changed the frames. */
  private event(run: () => void, name?: string): void {
    if (name !== undefined) this.world.visit?.(this.groups.srp.phase, name);
    this.groups.srp.setNow(this.world.now());
    this.events++;
    run();
    if (this.news.length > 0) for (const report of this.news.splice(0)) report();
    this.checkCore();
    this.sendNow();
  }

  private sendNow(): void {
    const outbox = this.outbox;
    this.outbox = [];
    for (const outgoing of outbox) {
      const frame = copyOf(this.memory.bytes, outgoing.offset, outgoing.length);
      if (this.knet === null) this.world.send(this.options.index, outgoing.to, frame);
      else this.sendOverKnet(this.knet, frame, outgoing);
    }
  }

  private sendOverKnet(knet: SimKnet, frame: Uint8Array, { to, copies, repeat }: Outgoing): void {
    const { lines, index, nodeId, ownCopies } = this.options;
    if (to === nodeId || (to === 'all' && (ownCopies || frame[HEADER.type] !== FrameType.MCAST)))
      lines?.loop(index, frame);
    if (to === nodeId) return;
    lines?.noteSent(index, frame);
    knet.send(frame, to, copies, repeat);
  }

  private checkCore(): void {
    const { state } = this.groups.srp;
    for (const sentence of checkInvariants(state)) this.world.checker.violation(this.view, `not true: ${sentence}`);
    this.knet?.check();
    if (this.events % OWNERSHIP_EVERY !== 0) return;
    for (const sentence of checkOwnership(state)) this.world.checker.violation(this.view, `not true: ${sentence}`);
  }

  private reserve(upTo: number): void {
    this.diskAsked = upTo;
    this.world.after(this.options.diskMs(), () => this.written(upTo));
  }

  private written(upTo: number): void {
    if (!this.alive) return;
    this.world.persist(this.options.nodeId, upTo);
    this.event(() => this.groups.srp.ringSeqReserved(upTo), 'disk done');
  }

  /** The disk has just written what it was asked for last. */
  diskDone(): void {
    this.written(this.diskAsked);
  }

  private observed(event: { readonly kind: string }): void {
    if (event.kind !== 'commit') return;
    const { ring, membership } = this.groups.srp.state;
    this.world.checker.committed(this.view, ring, membership.newMemb);
  }

  private configurationChange(change: ConfigurationChange): void {
    this.world.checker.configuration(this.view, change);
    this.sync.configurationChange(change);
    this.cfg?.configurationChange(change);
  }

  private syncCompleted(ringId: { readonly rep: number; readonly seq: number }): void {
    if (`${ringId.rep}.${ringId.seq}` !== this.view.ring)
      this.world.checker.violation(this.view, 'sync of an old ring');
    this.view.reference.use('normal');
    this.groups.synchronizationCompleted();
  }

  /** An application sends; during synchronisation only services do. Returns whether there was room. */
  send(bytes: number): boolean {
    if (!this.running) return false;
    const duringSync = this.sync.isInProgress();
    if (duringSync && this.world.random.chance(0.8)) return false;
    let accepted = false;
    this.event(() => {
      accepted = this.multicastMessage(duringSync ? Math.min(bytes, this.groups.srp.state.mtu - 50) : bytes);
    });
    return accepted;
  }

  private multicastMessage(bytes: number): boolean {
    const stream = this.groups.srp.state.waitingTransAck ? this.epoch : 0;
    const counter = this.counters.get(stream) ?? 0;
    const view = new DataView(this.scratch.buffer);
    const total = MESSAGE_HEADER_BYTES + bytes;
    view.setUint32(0, MESSAGE_MAGIC, true);
    view.setUint32(4, this.options.life, true);
    view.setUint32(8, counter, true);
    view.setUint32(12, total, true);
    view.setUint32(16, stream, true);
    this.scratch.fill(counter & 0xff, MESSAGE_HEADER_BYTES, total);
    if (!this.groups.mcast(Group.SERVICES, this.scratch, 0, total)) return false;
    this.counters.set(stream, counter + 1);
    this.world.checker.sent(this.view, stream, counter);
    return true;
  }

  private deliver(group: number, from: number, memory: FrameMemory, offset: number, length: number): void {
    const { checker } = this.world;
    checker.anyMessage(this.view, memory.bytes, offset, length);
    if (group === Group.SYNC) {
      this.sync.message(from, memory.bytes, offset, length);
      return;
    }
    const id = length >= 16 ? memory.view.getInt32(offset, true) : 0;
    if (id >> 16 === this.cpg.core.sync.serviceId) {
      this.cpg.core.deliver(id & 0xffff, from, memory, offset, length);
      return;
    }
    if (this.quorum !== null && id >> 16 === ServiceId.VOTEQUORUM) {
      this.quorum.deliver(id & 0xffff, from, memory.bytes.slice(offset, offset + length));
      return;
    }
    if (this.cfg?.deliver(id, from, () => memory.bytes.slice(offset, offset + length)) === true) return;
    const magic = length >= MESSAGE_HEADER_BYTES ? memory.view.getUint32(offset, true) : 0;
    if (magic !== MESSAGE_MAGIC || memory.view.getUint32(offset + 12, true) !== length) {
      checker.violation(this.view, 'a message that nobody sent');
      return;
    }
    const counter = memory.view.getUint32(offset + 8, true);
    const last = memory.bytes[offset + length - 1];
    if (length > MESSAGE_HEADER_BYTES && last !== (counter & 0xff)) checker.violation(this.view, 'a spoiled message');
    const stream = memory.view.getUint32(offset + 16, true);
    // Messages of several packets during synchronisation are lost to newcomers, as in stock; their round is void anyway.
    const owed = stream === 0 || length < this.groups.srp.state.mtu - 30;
    checker.message(this.view, from, memory.view.getUint32(offset + 4, true), stream, counter, owed);
  }

  describe(): string {
    const { srp } = this.groups;
    const s = srp.state;
    return `node ${this.options.nodeId}/${this.options.life} ${srp.phase} ring ${s.ring.rep}.${s.ring.seq} {${s.membership.memb}} proc {${s.membership.proc}} failed {${s.membership.failed}} sync ${this.sync.isInProgress()} pending ${this.view.pending.size} aru ${s.aru} high ${s.high} delivered ${s.highDelivered} queues ${s.newQueue.length}/${s.transQueue.length}`;
  }
}
