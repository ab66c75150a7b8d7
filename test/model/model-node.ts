import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import { type ConfigurationChange, ringIdText } from '../../src/lib/ring-id.ts';
import { FRAME_PAGE_BYTES } from '../../src/totem/frame-pool.ts';
import { Group, ProcessGroups } from '../../src/totem/index.ts';
import { checkInvariants } from '../../src/totem/invariants.ts';
import { TOTEM_LIMITS } from '../../src/totem/limits.ts';
import type { SendQueue } from '../../src/totem/send-queue.ts';
import type { SortQueue } from '../../src/totem/sort-queue.ts';
import { timerExpired } from '../../src/totem/timeouts.ts';
import { Timer, type TimerValue } from '../../src/totem/timer-table.ts';
import { MCAST_HEADER_BYTES } from '../../src/totem/wire/mcast.ts';
import { coreOptions, timings } from '../totem/bench.ts';
import { type Part, Snapshot } from './snapshot.ts';

/** Timers that may go off at any time. The others only report, or need a clock that moves. */
const MODEL_TIMERS = [
  Timer.TOKEN,
  Timer.TOKEN_RETRANSMIT,
  Timer.HOLD,
  Timer.JOIN,
  Timer.CONSENSUS,
  Timer.MERGE,
] as const satisfies readonly TimerValue[];
/** Of a page of the frame pool: slots of the smallest size, and words of its bitmap. */
const SMALLEST_SLOTS = 128;
const BITMAP_WORDS = 4;
const INPUT_BYTES = 66_000;
const REGION_BYTES = 650_000;
const HASH_PRIME = 0x0100_0193;
const HASH_START = 0x811c_9dc5;

/** One view of a node, and what it delivered from the view on; nothing is ever taken away from it on a path. */
export interface ModelView {
  readonly ring: string;
  readonly seq: number;
  readonly members: readonly number[];
  /** Who came along from the view before. */
  readonly together: readonly number[];
  readonly messages: readonly string[];
}

export interface ModelNetwork {
  send(from: number, to: number | 'all', frame: Uint8Array): void;
}

/** What a node has seen so far. Replaced, never changed, so that a state keeps its own. */
export interface Past {
  readonly views: readonly ModelView[];
  readonly commits: ReadonlyMap<string, string>;
  readonly together: readonly number[];
  readonly hellos: readonly number[];
}

function hashBytes(bytes: Uint8Array, start = HASH_START): number {
  let hash = start;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, HASH_PRIME);
  return hash >>> 0;
}

/** One real core whose clock never moves: a timer that runs may go off at any time. Each node says hello in a new view; who has heard all is in step. */
export class ModelNode {
  readonly groups: ProcessGroups;
  readonly violations: string[] = [];
  alive = true;
  past: Past = { views: [], commits: new Map(), together: [], hellos: [] };
  private readonly memory: FrameMemory;
  private readonly outbox: { readonly to: number | 'all'; readonly offset: number; readonly length: number }[] = [];

  constructor(
    readonly id: number,
    private readonly network: ModelNetwork,
  ) {
    this.memory = frameMemory(new Uint8Array(INPUT_BYTES + REGION_BYTES));
    this.groups = new ProcessGroups(
      coreOptions({
        nodeId: id,
        timings: timings({ tokenWarningPercent: 0, seqnoUnchangedConst: 3 }),
        memory: this.memory,
        regionOffset: INPUT_BYTES,
        regionBytes: REGION_BYTES,
        network: {
          sendToken: (to, offset, length) => void this.outbox.push({ to, offset, length }),
          multicast: (offset, length) => void this.outbox.push({ to: 'all', offset, length }),
        },
        observer: {
          report: (event) => {
            if (event.kind === 'commit') this.committed(ringIdText(event.ringId));
          },
        },
        user: {
          deliver: (group, from, memory, offset, length) =>
            this.deliver(group, from, Buffer.from(memory.bytes.subarray(offset, offset + length)).toString()),
          configurationChange: (change) => this.changed(change),
        },
      }),
    );
  }

  event(run: () => void): void {
    run();
    for (const sentence of checkInvariants(this.state)) this.violations.push(`not true: ${sentence}`);
    for (const { to, offset, length } of this.outbox.splice(0))
      this.network.send(this.id, to, this.memory.bytes.slice(offset, offset + length));
  }

  boot(): void {
    this.event(() => this.groups.srp.interfaceChanged());
  }

  receive(frame: Uint8Array): void {
    this.event(() => {
      this.memory.bytes.set(frame, 0);
      this.groups.srp.receive(0, frame.length);
    });
  }

  expire(timer: TimerValue): void {
    this.event(() => {
      this.state.timers.stop(timer);
      timerExpired(this.state, timer);
    });
  }

  /** Where time passes. */
  tick(nowMs: number): void {
    this.event(() => this.groups.srp.tick(nowMs));
  }

  died(node: number): void {
    this.event(() => this.groups.srp.memberDied(node));
  }

  send(text: string): void {
    this.event(() => void this.groups.mcast(Group.SERVICES, Buffer.from(text)));
  }

  get state() {
    return this.groups.srp.state;
  }

  /** Operational and in step, with nothing left to send. */
  get isIdle(): boolean {
    const { state, waitingTransAck, newQueue, transQueue } = this.state;
    return state === 'operational' && !waitingTransAck && newQueue.length + transQueue.length === 0;
  }

  get view(): ModelView | undefined {
    return this.past.views.at(-1);
  }

  /** The way back to what this node is now, for as often as it is wanted. */
  save(): () => void {
    const { statistics, samples, passage } = this.state;
    const without = [statistics, samples, passage];
    const snapshot = new Snapshot(this.groups, this.memory.bytes.buffer, this.memoryInUse(), without);
    const { past, alive } = this;
    return () => {
      snapshot.restore();
      this.past = past;
      this.alive = alive;
      this.violations.length = 0;
    };
  }

  /** The last token, which may be sent again, and the slots that hold a frame: whatever else was sent has left. */
  private memoryInUse(): Part[] {
    const { pool, lastTokenOffset, lastTokenBytes } = this.state;
    const parts: Part[] = [{ at: lastTokenOffset, bytes: lastTokenBytes }];
    for (let page = 0; page < pool.pages; page++) {
      const slots = pool['used'][page] === 0 ? 0 : SMALLEST_SLOTS >> pool['classOf'][page]!;
      const bytes = FRAME_PAGE_BYTES / slots;
      for (let slot = 0; slot < slots; slot++)
        if (((pool['bitmap'][page * BITMAP_WORDS + (slot >> 5)]! >>> (slot & 31)) & 1) !== 0)
          parts.push({ at: pool['start'] + page * FRAME_PAGE_BYTES + slot * bytes, bytes });
    }
    return parts;
  }

  get timers(): readonly TimerValue[] {
    return MODEL_TIMERS.filter((timer) => this.state.timers.running(timer));
  }

  /**
   * What decides how the core goes on, and what it has shown so far: two nodes with the same description are one state. Lists of nodes are sets to the core, so their
   * order is left out; and a node in GATHER sends no token again, so the last one is. Nodes are not exchanged for each other: the lowest one is the
   * representative, so no two of them are alike.
   */
  describe(): string {
    const s = this.state;
    const past = JSON.stringify([this.past.views, [...this.past.commits].sort()]);
    if (!this.alive) return `${this.id} dead ${past}`;
    const { membership: m, old, recovery, flow } = s;
    let running = 0;
    for (let timer = 0; timer < 9; timer++) if (s.timers.running(timer as TimerValue)) running |= 1 << timer;
    const { bytes } = this.memory;
    const token =
      s.state === 'gather' ? 0 : hashBytes(bytes.subarray(s.lastTokenOffset, s.lastTokenOffset + s.lastTokenBytes));
    const high = Math.max(s.high, s.old.high);
    const held = `${heldBy(s.regular, high)} ${heldBy(recovery.queue, high)}`;
    const { groups } = this;
    const [servicesHeld, nodesJoined] = [groups['servicesHeld'], groups['nodesJoined']];
    return [
      [this.id, s.state, ringIdText(s.ring), s.ringSeqMax, s.aru, s.high, s.highDelivered, s.released, s.lastAru],
      [s.myTokenSeq, s.lastSeq, s.unchanged, s.held, s.discardOrf, s.originated, s.aruCount, s.waitingTransAck],
      [
        ...[m.proc, m.failed, m.memb, m.newMemb, m.transMemb, m.deliverMemb, m.consensus].map(sorted),
        m.failedToReceive,
      ],
      [old.saved, ringIdText(old.ring), old.aru, old.high, old.receivedFlg, flow.trc, flow.pbl, flow.cbl],
      [recovery.retransFirst, recovery.retransCount, recovery.rotationCount, recovery.retransFlgCount],
      [recovery.setRetransFlg, recovery.installSeq, running, token, held],
      [s.settling, s.passedSeq, s.thisSeqno, s.tokenTarget, s.capabilities, servicesHeld, nodesJoined],
      [
        [...s.disputes['failedBy']]
          .map(([node, failed]) => `${node}: ${sorted(failed)}`)
          .sort()
          .join(' '),
      ],
      [this.queued(s.newQueue), this.queued(s.transQueue), past, this.past.hellos, this.past.together],
    ].join('|');
  }

  /** What waits in a queue. */
  private queued(queue: SendQueue): string {
    let text = '';
    for (let i = 0; i < queue.length; i++) {
      const at = (queue['first'] + i) % queue['slots'];
      const offset = queue['offsets'][at]!;
      text += `${hashBytes(this.memory.bytes.subarray(offset + MCAST_HEADER_BYTES, offset + queue['lengths'][at]!))},`;
    }
    return text;
  }

  private committed(ring: string): void {
    const commits = new Map(this.past.commits).set(ring, [...this.state.membership.newMemb].sort().join());
    this.past = { ...this.past, commits };
  }

  private changed({ kind, members, ringId }: ConfigurationChange): void {
    if (kind === 'transitional') {
      if (!members.every((node) => this.view?.members.includes(node)))
        this.violations.push('the transitional view has a node that was no member');
      this.past = { ...this.past, together: members };
      return;
    }
    const view = { ring: ringIdText(ringId), seq: ringId.seq, members, together: this.past.together, messages: [] };
    if (!members.includes(this.id)) this.violations.push('a view without the node that delivers it');
    if (this.view !== undefined && ringId.seq <= this.view.seq)
      this.violations.push(`view ${view.ring} after ${this.view.ring}`);
    this.past = { ...this.past, views: [...this.past.views, view], hellos: [] };
    this.groups.mcast(Group.SYNC, Buffer.from(view.ring));
  }

  private deliver(group: number, from: number, text: string): void {
    const view = this.view;
    if (view === undefined) return void this.violations.push('a message before the first view');
    if (group === Group.SYNC) {
      if (text !== view.ring) return;
      const hellos = [...new Set([...this.past.hellos, from])].sort();
      this.past = { ...this.past, hellos };
      if (hellos.length === view.members.length) this.groups.synchronizationCompleted();
      return;
    }
    if (this.past.views.some(({ messages }) => messages.includes(text)))
      this.violations.push(`${text} for the second time`);
    const grown = { ...view, messages: [...view.messages, text] };
    this.past = { ...this.past, views: [...this.past.views.slice(0, -1), grown] };
  }
}

const sorted = (nodes: readonly number[]): string => [...nodes].sort((a, b) => a - b).join();

/** Which numbers are there, and how often each other one was missed. */
function heldBy(queue: SortQueue, high: number): string {
  let held = '';
  for (let seq = 1; seq <= high; seq++)
    held += queue.holds(seq) ? 'x' : queue['misses'][seq % TOTEM_LIMITS.sortQueueSlots];
  return held;
}
