import { WINDOW_AUTO } from '../../src/lib/accelerated-window.ts';
import { ringSeqNewer } from '../../src/lib/ring-seq.ts';
import { memoryTrackingFile, type TrackingFile } from '../../src/services/votequorum/tracking-file.ts';
import { EventHeap } from '../../src/sim/event-heap.ts';
import { Random } from '../../src/sim/random.ts';
import type { NodeSettings } from '../../src/testing/quorum-node.ts';
import type { SrpTimings } from '../../src/totem/index.ts';
import { Agreements } from './agreements.ts';
import { Ambushes, ambushTimings } from './ambushes.ts';
import { Attacker } from './attacker.ts';
import { Checker } from './checker.ts';
import type { Coverage } from './coverage.ts';
import { Deaths } from './deaths.ts';
import { nextFault } from './faults.ts';
import { Hardships } from './hardships.ts';
import { Heartbeats } from './heartbeats.ts';
import { KnetLines } from './knet-lines.ts';
import { ReplicaParts } from './replica-parts.ts';
import { Replicas } from './replicas.ts';
import { FAIR, SimNetwork } from './sim-network.ts';
import { SimNode, type SimNodeWorld } from './sim-node.ts';
import { QuorumChecker, quorumSettings } from './sim-quorum.ts';

export interface SimOptions {
  readonly nodes?: number;
  /** Virtual time with faults, and the longest that healing may take. */
  readonly faultsMs?: number;
  readonly healMs?: number;
  readonly faults?: boolean;
  /** Somebody records and repeats frames and forges JOINs, as long as there are faults. */
  readonly attack?: boolean;
  /** Survivors learn of a death from their transport, sometimes of one that did not happen. Default: every second seed. */
  readonly witnesses?: boolean;
  readonly checkReassembly?: boolean;
  readonly netMtu?: number;
  readonly regionBytes?: number;
  readonly ownCopies?: boolean;
  readonly spoil?: (node: SimNode) => void;
  readonly trace?: (line: string) => void;
  /** Faults, by their number, that do not happen. */
  readonly skip?: ReadonlySet<number>;
  /** A fault every few hundredths of a second and little to send: many more views in the same time. */
  readonly churn?: boolean;
  /** The nodes have votequorum, too. */
  readonly quorum?: boolean;
  /** The frames go over knet, with one to three links. */
  readonly knet?: boolean;
  /** A program on each node has a replicated machine; the nodes have votequorum then. */
  readonly replicas?: boolean;
  /** The same without quorum: parts of the cluster go on by themselves, and are merged. */
  readonly parts?: boolean;
  /** The nodes have clients of cfg, and reloads that all agree on. */
  readonly cfg?: boolean;
  /** Some faults wait for states that pass quickly. */
  readonly ambushes?: boolean;
  /** Applications and clients do nothing. */
  readonly quiet?: boolean;
  readonly coverage?: Coverage;
}

export interface SimReport {
  readonly seed: number;
  readonly nodes: number;
  readonly violations: readonly string[];
  readonly events: number;
  readonly virtualMs: number;
  /** From the last fault until all was well again, in token timeouts. */
  readonly healTokens: number;
  /** From the last fault until the ring of all had formed, in token timeouts: the rest goes to messages that had waited. */
  readonly formTokens: number;
  /** Faults that happened, those of `skip` not. */
  readonly faults: readonly HappenedFault[];
  readonly packets: number;
  readonly messages: number;
  /** Regular views at nodes, and the rings that they are of. */
  readonly viewChanges: number;
  readonly rings: number;
}

export interface HappenedFault {
  readonly number: number;
  readonly atMs: number;
  readonly text: string;
  readonly command: string | null;
}

const EVENTS_MAX = 3_000_000;
const MESSAGE_BYTES_MAX = 60_000;
/** The longest times between two faults, one of which each time is below. */
const FAULT_GAPS_MS = [50, 400, 900];
const CHURN_GAPS_MS = [10, 50, 150];
const CHURN_BUSY = 0.1;
/** Of the seeds that were run none needs half of it (docs/reliability.md). */
const HEAL_TOKENS_MAX = 10;
/** Forged ring numbers leave each node in another zone of the circle, and each attempt waits for disks that may be slower than the token timeout (15.3 in seed 8008). */
const HEAL_TOKENS_ATTACKED_MAX = 25;
/** From the ring of all on: what was accepted meanwhile, megabytes after a long time of ring changes, goes round (18 in seed 650). */
const DRAIN_TOKENS_MAX = 25;

/** N nodes, a network and faults on virtual time. Everything follows from the seed. */
export class World implements SimNodeWorld {
  readonly random: Random;
  readonly heap = new EventHeap();
  readonly network: SimNetwork;
  readonly checker: Checker;
  readonly nodeIds: readonly number[];
  readonly nodes: (SimNode | null)[];
  readonly timings: SrpTimings;
  readonly spoil: (node: SimNode) => void;
  private readonly lives: number[];
  private readonly disk = new Map<number, number>();
  private readonly netMtu: number;
  private readonly regionBytes: number;
  private readonly separateSockets: boolean;
  private readonly ownCopies: boolean;
  private readonly diskMsMax: number;
  private readonly busy: number;
  private readonly attacker: Attacker | null;
  readonly deaths: Deaths | null;
  readonly lines: KnetLines | null;
  readonly replicas: Replicas | null;
  /** All faults are over. */
  isHealed = false;
  private readonly ambushes: Ambushes | null;
  readonly agreements: Agreements | null;
  /** Survivors learn of deaths. */
  readonly hasWitnesses: boolean;
  private readonly heartbeats: Heartbeats | null;
  private readonly hardships: Hardships | null;
  private readonly firstRingSeq: number;
  private readonly quorumChecker: QuorumChecker | null;
  private readonly quorumSettings: NodeSettings;
  private readonly trackingFiles = new Map<number, TrackingFile>();
  private clock = 0;
  private events = 0;
  private healTokens = 0;
  private formTokens = 0;
  private faultNumber = 0;
  private lastFault = 'none';
  private readonly happened: HappenedFault[] = [];

  constructor(
    readonly seed: number,
    readonly options: SimOptions,
  ) {
    const random = new Random(seed);
    this.random = random;
    const size = options.nodes ?? random.between(3, 9);
    const gap = random.between(1, 5);
    this.nodeIds = random.shuffled(Array.from({ length: size }, (_, i) => 1 + i * gap));
    this.nodes = this.nodeIds.map(() => null);
    this.lives = this.nodeIds.map(() => 0);
    this.checker = new Checker(() => this.clock, options.checkReassembly ?? true, options.attack);
    this.network = new SimNetwork(
      size,
      this.heap,
      random,
      () => this.clock,
      (to, frame) => this.nodes[to]?.arrive(frame),
    );
    this.timings = {
      ...makeTimings(random),
      acceleratedWindow: windowOf(seed),
      ...(options.ambushes === true ? ambushTimings(seed) : {}),
    };
    const netMtu = random.pick([300, 500, 1500, 1500, 4000]);
    const regionBytes = random.chance(0.2) && netMtu < 4000 ? (netMtu < 1500 ? 800_000 : 1_300_000) : 4_500_000;
    this.netMtu = options.netMtu ?? netMtu;
    this.regionBytes = options.regionBytes ?? regionBytes;
    const separateSockets = random.chance(0.4);
    this.separateSockets = separateSockets && options.knet !== true;
    const ownCopies = random.chance(0.7);
    this.ownCopies = options.ownCopies ?? ownCopies;
    this.diskMsMax = random.pick([0, 1, 20, 150]);
    const busy = random.pick([0.2, 1, 3]);
    this.busy = options.churn === true ? CHURN_BUSY : busy;
    this.attacker = options.attack === true ? new Attacker(seed, this) : null;
    this.hasWitnesses = options.witnesses ?? seed % 2 === 0;
    this.lines = options.knet === true ? new KnetLines(seed, this) : null;
    this.deaths = this.hasWitnesses && this.lines === null ? new Deaths(seed, this) : null;
    this.heartbeats = this.deaths === null ? null : new Heartbeats(seed, this);
    this.hardships = this.hasWitnesses ? new Hardships(seed, this) : null;
    this.firstRingSeq = this.attacker?.firstRingSeq() ?? 0;
    this.ambushes = options.ambushes === true ? new Ambushes(seed, this) : null;
    this.agreements = options.cfg === true ? new Agreements(seed, this) : null;
    if (options.replicas === true) this.replicas = new Replicas(seed, this);
    else this.replicas = options.parts === true ? new ReplicaParts(seed, this) : null;
    // A machine goes on with more than half of the nodes only, whatever breaks a tie.
    this.quorumSettings = options.replicas !== true ? quorumSettings(new Random(seed ^ 0x00707e5)) : {};
    const broken = (text: string): void => this.checker.violation(null, text);
    this.quorumChecker =
      options.quorum === true || options.replicas === true
        ? new QuorumChecker(size, this.quorumSettings, broken)
        : null;
    this.spoil = options.spoil ?? (() => {});
  }

  now(): number {
    return this.clock;
  }

  after(delayMs: number, run: () => void): void {
    this.heap.add(this.clock + delayMs, run);
  }

  knows(nodeId: number): boolean {
    return this.nodeIds.includes(nodeId);
  }

  arrive(to: number, frame: Uint8Array): void {
    this.nodes[to]?.arrive(frame);
  }

  send(from: number, to: number | 'all', frame: Uint8Array): void {
    const index = to === 'all' ? -1 : this.nodeIds.indexOf(to);
    this.attacker?.record(index, frame);
    if (to !== 'all') {
      if (index >= 0) this.network.send(from, index, frame);
      return;
    }
    const own = this.ownCopies || frame[3] !== 1;
    for (let index = 0; index < this.nodes.length; index++)
      if (own || index !== from) this.network.send(from, index, frame);
  }

  probe(by: number, nodeId: number): void {
    this.heartbeats?.probe(by, this.nodeIds.indexOf(nodeId));
  }

  persist(nodeId: number, ringSeq: number): void {
    const before = this.disk.get(nodeId);
    if (before === undefined || ringSeqNewer(ringSeq, before)) this.disk.set(nodeId, ringSeq);
  }

  startNode(index: number): void {
    if (this.nodes[index]?.alive) return;
    const nodeId = this.nodeIds[index]!;
    const node = new SimNode(
      {
        index,
        nodeId,
        life: this.lives[index]!++,
        storedRingSeq: this.disk.get(nodeId) ?? this.firstRingSeq,
        timings: this.timings,
        netMtu: this.netMtu,
        regionBytes: this.regionBytes,
        separateSockets: this.separateSockets,
        ownCopies: this.ownCopies,
        stockTokens: index === 0 && this.seed % 3 === 0,
        votes: this.votes(nodeId),
        lines: this.lines,
        replicas: this.replicas,
        agreements: this.agreements,
        diskMs: () =>
          this.random.real(0, this.diskMsMax) + (this.hardships?.diskMs() ?? 0) + (this.ambushes?.diskMs(index) ?? 0),
      },
      this,
    );
    this.nodes[index] = node;
    node.start();
  }

  private votes(nodeId: number): { readonly settings: NodeSettings; readonly trackingFile: TrackingFile } | null {
    if (this.quorumChecker === null) return null;
    const trackingFile = this.trackingFiles.get(nodeId) ?? memoryTrackingFile();
    this.trackingFiles.set(nodeId, trackingFile);
    return { settings: this.quorumSettings, trackingFile };
  }

  quorumDecided(node: SimNode, members: readonly number[], quorate: boolean): void {
    const { nodeId } = node.options;
    if (quorate && !members.includes(nodeId)) this.checker.violation(node.view, `quorate with {${members}}`);
    this.quorumChecker?.decided(members, quorate, node.view.path.at(-2)?.ring ?? `none ${nodeId}`);
  }

  /** Faults and traffic for a while, then healing, then the proof that all is well. */
  run(): SimReport {
    const faultsMs = this.options.faultsMs ?? 4000;
    for (let index = 0; index < this.nodes.length; index++)
      this.after(this.random.real(0, this.random.pick([1, 300])) + (this.ambushes?.bootMs() ?? 0), () =>
        this.startNode(index),
      );
    if (this.options.quiet !== true) this.scheduleTraffic(faultsMs);
    if (this.options.faults ?? true) this.startFaults(faultsMs);
    this.replicas?.start();
    this.agreements?.start();
    this.attacker?.goOnUntil(faultsMs);
    this.heartbeats?.start();
    this.runFor(faultsMs);
    this.heal();
    this.settle();
    return this.finish();
  }

  private startFaults(faultsMs: number): void {
    const start = (): void => {
      this.scheduleFault(faultsMs);
      this.hardships?.start();
      this.lines?.start();
    };
    this.ambushes?.start();
    if (this.ambushes === null || this.ambushes.calmMs === 0) start();
    else this.after(this.ambushes.calmMs, start);
  }

  runFor(ms: number): void {
    this.runUntil(this.clock + ms, () => false);
  }

  /** Runs until `done`, looked at after every event, or until the time is over. */
  runWhile(maxMs: number, done: () => boolean): void {
    this.runUntil(this.clock + maxMs, done, 0);
  }

  finish(): SimReport {
    for (const node of this.nodes) node?.crash();
    const { violations, packets, messages, viewChanges, ringCount } = this.checker;
    return {
      seed: this.seed,
      nodes: this.nodes.length,
      violations,
      events: this.events,
      virtualMs: this.clock,
      healTokens: this.healTokens,
      formTokens: this.formTokens,
      faults: this.happened,
      packets,
      messages,
      viewChanges,
      rings: ringCount,
    };
  }

  /** A fault has happened. */
  note(kind: string, text: string): void {
    this.lastFault = kind;
    this.options.trace?.(`${this.clock.toFixed(1)} fault: ${text}`);
  }

  get faultsBegan(): boolean {
    return this.lastFault !== 'none';
  }

  visit(state: string, event: string): void {
    this.options.coverage?.note(state, event, this.lastFault);
  }

  private scheduleFault(endMs: number): void {
    const gaps = this.options.churn === true ? CHURN_GAPS_MS : FAULT_GAPS_MS;
    this.after(this.random.real(1, this.random.pick(gaps)), () => {
      if (this.clock >= endMs) return;
      const number = this.faultNumber++;
      const { kind, text, command, run } = nextFault(this);
      if (!this.options.skip?.has(number)) {
        this.happened.push({ number, atMs: this.clock, text, command: command ?? null });
        run();
        this.note(kind, text);
      }
      this.scheduleFault(endMs);
    });
  }

  scheduleTraffic(endMs: number): void {
    this.after(this.random.real(0, 10 / this.busy), () => {
      if (this.clock >= endMs) return;
      const node = this.random.pick(this.nodes);
      const burst = this.random.chance(0.1) ? this.random.between(1, 40) : 1;
      for (let i = 0; i < burst; i++) if (node?.alive && !node.send(this.messageBytes())) break;
      if (this.random.chance(0.2)) this.random.pick(this.nodes)?.cpgAct();
      this.scheduleTraffic(endMs);
    });
  }

  private messageBytes(): number {
    const dice = this.random.unit();
    if (dice < 0.7) return this.random.between(0, 120);
    if (dice < 0.95) return this.random.between(0, 3 * this.netMtu);
    return this.random.between(0, Math.min(MESSAGE_BYTES_MAX, 20 * this.netMtu));
  }

  /** The faults end: everybody is there and hears everybody. */
  heal(): void {
    this.options.trace?.(`${this.clock.toFixed(1)} healed`);
    this.network.heal();
    this.isHealed = true;
    this.lastFault = 'all heal';
    for (let index = 0; index < this.nodes.length; index++) {
      const node = this.nodes[index];
      node?.resume();
      if (!node?.alive) this.startNode(index);
    }
    this.hardships?.end();
    this.lines?.end();
    this.replicas?.end();
    this.agreements?.end();
  }

  get living(): readonly SimNode[] {
    return this.nodes.filter((node): node is SimNode => node?.alive === true);
  }

  /** What the rotations take that the queued packets need, a window of them each: thousands in windows of five outlast any fixed number of token timeouts. */
  private queueMs(): number {
    const { living, timings } = this;
    const packets = living.reduce((sum, { queuedPackets }) => sum + queuedPackets, 0);
    return Math.ceil(packets / timings.windowSize) * living.length * FAIR.latencyMsMax;
  }

  /** Liveness: one ring of all who live, everything delivered, and again after a last message of each. */
  settle(): void {
    const { living } = this;
    const start = this.clock;
    const healTokensMax = this.attacker === null ? HEAL_TOKENS_MAX : HEAL_TOKENS_ATTACKED_MAX;
    const deadline = start + (this.options.healMs ?? healTokensMax * this.timings.tokenMs);
    const queueMs = this.queueMs();
    const all = sorted(living.map((node) => `${node.options.nodeId}`));
    const formed = () =>
      living.every(({ groups: { srp } }) => srp.phase === 'operational' && sorted(srp.members.map(String)) === all);
    const settled = () => formed() && living.every((node) => node.settled);
    const stuck = () => living.some((node) => node.stuck);
    this.runUntil(deadline, () => {
      if (this.formTokens === 0 && formed()) this.formTokens = (this.clock - start) / this.timings.tokenMs;
      return settled() || stuck();
    });
    for (const node of living) if (node.stuck) node.forceGather();
    this.runUntil(deadline, settled);
    if (formed()) this.runUntil(deadline + DRAIN_TOKENS_MAX * this.timings.tokenMs + queueMs, settled);
    this.healTokens = (this.clock - start) / this.timings.tokenMs;
    if (!settled()) {
      for (const node of living) this.checker.violation(null, `not settled: ${node.describe()}`);
      return;
    }
    const before = living.map((node) => node.view.messagesDelivered);
    for (const node of living) this.runWhile(5 * this.timings.tokenMs, () => node.send(10));
    const arrived = () =>
      living.every((node, i) => node.settled && node.view.messagesDelivered >= before[i]! + living.length);
    this.runUntil(this.clock + 20 * this.timings.tokenMs, arrived);
    this.runFor(this.timings.tokenMs); // leaves and joins of clients that are on their way
    this.runUntil(this.clock + 20 * this.timings.tokenMs, arrived); // a report of a death that came late or wrong changes the ring once more
    if (!arrived()) for (const node of living) this.checker.violation(null, `probe lost: ${node.describe()}`);
    this.replicas?.settle();
    this.agreements?.settle();
    this.checkProcesses();
    this.checker.finish();
  }

  /** No ghosts, nobody forgotten: every node lists exactly the clients that live (services.md 4.8). */
  private checkProcesses(): void {
    const truth = sorted(this.living.flatMap(({ cpg, replica }) => [...cpg.truth, ...(replica?.truth ?? [])]));
    for (const node of this.living) {
      const belief = sorted(node.cpg.belief);
      if (belief !== truth) this.checker.violation(node.view, `lists processes [${belief}], there are [${truth}]`);
      node.cpg.checkClients();
      node.cfg?.checkEnd();
      if (node.quorum !== null && !node.quorum.quorate)
        this.checker.violation(node.view, 'all are there, and it is not quorate');
      const down = node.knet?.down(this.living.map(({ options }) => options.nodeId)) ?? [];
      if (down.length > 0) this.checker.violation(node.view, `links are down, and nothing is wrong with them: ${down}`);
    }
  }

  private runUntil(endMs: number, done: () => boolean, checkEveryMs = 5): void {
    let checkAt = 0;
    while (this.checker.violations.length === 0 && this.events < EVENTS_MAX) {
      if (this.clock >= checkAt) {
        if (done()) return;
        checkAt = this.clock + checkEveryMs;
      }
      let deadline = this.heap.nextAt;
      let due: SimNode | null = null;
      for (const node of this.nodes) {
        const at = node === null ? Number.POSITIVE_INFINITY : node.nextDeadlineMs();
        if (at < deadline) {
          deadline = at;
          due = node;
        }
      }
      if (deadline > endMs) {
        this.clock = endMs;
        return;
      }
      this.clock = Math.max(this.clock, deadline);
      this.events++;
      if (due !== null) due.tick();
      else this.heap.take()!.run();
    }
  }
}

/** Every third seed has messages that follow the token, and some of those in which one node acts as stock's. */
function windowOf(seed: number): number {
  if (seed % 3 === 1) return [WINDOW_AUTO, 3, 100][Math.trunc(seed / 3) % 3] ?? 0;
  return seed % 9 === 0 ? 5 : 0;
}

function makeTimings(random: Random): Omit<SrpTimings, 'acceleratedWindow'> {
  const tokenMs = random.pick([100, 200, 300]);
  const tokenRetransmitMs = Math.trunc(tokenMs / 4.2);
  return {
    tokenMs,
    tokenWarningPercent: 75,
    tokenRetransmitMs,
    holdMs: Math.max(4, Math.trunc(0.8 * tokenRetransmitMs - 10)),
    joinMs: random.pick([5, 20, 50]),
    sendJoinMs: random.pick([0, 0, 10]),
    consensusMs: Math.trunc(1.2 * tokenMs),
    mergeMs: random.pick([20, 60]),
    failRecvConst: random.pick([30, 200, 2500]),
    seqnoUnchangedConst: 30,
    heartbeatFailuresAllowed: random.pick([0, 0, 0, 2]),
    maxNetworkDelayMs: 30,
    windowSize: random.pick([5, 50, 50, 256]),
    maxMessages: random.pick([3, 17, 17, 100]),
    missCountConst: random.pick([1, 5, 5]),
    cancelTokenHoldOnRetransmit: random.chance(0.3),
    silenceMs: Math.trunc((2 / 3 + 1 / 16) * tokenMs),
  };
}

const sorted = (items: readonly string[]): string => [...items].sort().join();

export const simulate = (seed: number, options: SimOptions = {}): SimReport => new World(seed, options).run();
