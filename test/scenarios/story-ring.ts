import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import { gatherReasonLogged } from '../../src/lib/gather-reason.ts';
import { type ConfigurationChange, type RingId, ringIdText } from '../../src/lib/ring-id.ts';
import { EventHeap } from '../../src/sim/event-heap.ts';
import {
  Group,
  ProcessGroups,
  type SrpTimings,
  Stat,
  type StatisticName,
  type TotemReport,
} from '../../src/totem/index.ts';
import { checkInvariants, checkOwnership } from '../../src/totem/invariants.ts';
import { coreOptions, timings } from '../totem/bench.ts';
import { type FrameName, frameName, frameText, withoutTrailer } from './frame-text.ts';

/** Every hop takes this long, so that a story is the same in every run. */
const HOP_MS = 0.1;
const MEMORY_BYTES = 6 << 20;
const INPUT_BYTES = 66_000;

export interface DropRule {
  readonly frame: FrameName | 'any';
  readonly from: number;
  readonly to: number;
  left: number;
}

function reportText(event: TotemReport): string | null {
  switch (event.kind) {
    case 'gather':
      return `gather ${event.reason} (${gatherReasonLogged(event.reason)})`;
    case 'tokenLost':
      return `token lost in ${event.state}`;
    case 'membersSilent':
      return `agrees that ${event.nodeIds} are silent`;
    case 'memberDied':
      return `knows that ${event.nodeId} has died`;
    case 'consensusTimeout':
      return `no consensus with [${event.missing}]`;
    case 'recoverMessages':
      return `sends ${event.count} of the messages ${event.from}..${event.to} again`;
    case 'operational':
      return `operational ${ringIdText(event.ringId)} lost [${event.lost}]`;
    case 'failedToReceive':
      return 'failed to receive';
    case 'pause':
      return `paused for ${event.pausedMs.toFixed(0)} ms, ${event.discarded} datagrams thrown away`;
    case 'ringSeqNotReserved':
      return `ring seq ${event.needed} is not on disk yet`;
    case 'retransmitRequest':
      return `asks for ${event.seqs}`;
    case 'commit':
    case 'recovery':
      return `${event.kind} ${ringIdText(event.ringId)}`;
    default:
      return null;
  }
}

/** One node of a story. Its services are the simplest possible: each says hello, and who has heard all is in step. */
class StoryNode {
  readonly memory: FrameMemory = frameMemory(new Uint8Array(MEMORY_BYTES));
  readonly groups: ProcessGroups;
  readonly delivered: string[] = [];
  alive = true;
  pausedUntil = 0;
  inbox: Uint8Array[] = [];
  private outbox: { to: number | 'all'; offset: number; length: number }[] = [];
  private members: readonly number[] = [];
  private hellos = new Set<number>();
  private ringId: RingId = { rep: 0, seq: 0 };

  constructor(
    readonly id: number,
    private readonly ring: StoryRing,
  ) {
    const stored = ring.disk.get(id) ?? 0;
    this.groups = new ProcessGroups(
      coreOptions({
        nodeId: id,
        timings: ring.timings,
        storedRingSeq: stored,
        reservedRingSeq: ring.diskMs === 0 ? stored + 4096 : stored,
        memory: this.memory,
        regionOffset: INPUT_BYTES,
        regionBytes: MEMORY_BYTES - INPUT_BYTES,
        nowMs: ring.nowMs,
        network: {
          sendToken: (to, offset, length) => void this.outbox.push({ to, offset, length }),
          multicast: (offset, length) => void this.outbox.push({ to: 'all', offset, length }),
          discardInput: () => {
            const count = this.inbox.length;
            this.inbox = [];
            return count;
          },
        },
        observer: { report: (event) => this.report(event) },
        user: {
          deliver: (group, from, memory, offset, length) =>
            this.deliver(group, from, Buffer.from(memory.bytes.subarray(offset, offset + length))),
          configurationChange: (change) => this.changed(change),
          reserveRingSeq: (upTo) =>
            ring.after(ring.diskMs, () => {
              ring.disk.set(id, upTo);
              if (this.alive) this.event(() => this.groups.srp.ringSeqReserved(upTo));
            }),
        },
      }),
    );
  }

  event(run: () => void): void {
    this.groups.srp.setNow(this.ring.nowMs);
    run();
    const { state } = this.groups.srp;
    const broken = [...checkInvariants(state), ...checkOwnership(state)];
    for (const sentence of broken) this.ring.note(this.id, `NOT TRUE: ${sentence}`);
    const outbox = this.outbox;
    this.outbox = [];
    for (const { to, offset, length } of outbox)
      this.ring.send(this.id, to, this.memory.bytes.slice(offset, offset + length));
  }

  receive(frame: Uint8Array): void {
    this.event(() => {
      this.memory.bytes.set(frame, 0);
      this.groups.srp.receive(0, frame.length);
    });
  }

  private report(event: TotemReport): void {
    const text = reportText(event);
    if (text !== null) this.ring.note(this.id, text);
  }

  private changed(change: ConfigurationChange): void {
    const { kind, members, left, joined, ringId } = change;
    this.ring.note(
      this.id,
      kind === 'transitional'
        ? `TRANSITIONAL ${ringIdText(ringId)} {${members}} left {${left}}`
        : `REGULAR ${ringIdText(ringId)} {${members}} joined {${joined}}`,
    );
    if (kind === 'transitional') return;
    this.members = members;
    this.hellos = new Set();
    this.ringId = ringId;
    this.groups.mcast(Group.SYNC, Buffer.from(ringIdText(ringId)));
  }

  private deliver(group: number, from: number, bytes: Buffer): void {
    if (group === Group.SERVICES) {
      this.delivered.push(`${from}:${bytes.toString().split('|')[0]}`);
      return;
    }
    if (bytes.toString() !== ringIdText(this.ringId)) return;
    this.hellos.add(from);
    if (this.members.every((member) => this.hellos.has(member))) this.groups.synchronizationCompleted();
  }
}

export class StoryRing {
  nowMs = 0;
  timings: SrpTimings = timings({ tokenWarningPercent: 0 });
  readonly disk = new Map<number, number>();
  diskMs = 0;
  readonly drops: DropRule[] = [];
  readonly cuts = new Set<string>();
  readonly stock = new Set<number>();
  readonly nodes = new Map<number, StoryNode>();
  readonly traced = new Set<FrameName>();
  private readonly heap = new EventHeap();
  private readonly sent: { readonly name: FrameName; readonly from: number; readonly frame: Uint8Array }[] = [];
  private lines: string[] = [];

  note(node: number, text: string): void {
    this.lines.push(`${this.nowMs.toFixed(1).padStart(8)} ${node} ${text}`);
  }

  takeStory(): string[] {
    const lines = this.lines;
    this.lines = [];
    return lines;
  }

  after(delayMs: number, run: () => void): void {
    this.heap.add(this.nowMs + delayMs, run);
  }

  boot(id: number): void {
    const node = new StoryNode(id, this);
    this.nodes.set(id, node);
    node.event(() => node.groups.srp.interfaceChanged());
  }

  crash(id: number): void {
    const node = this.node(id);
    node.alive = false;
    this.nodes.delete(id);
  }

  leave(id: number): void {
    const node = this.node(id);
    node.event(() => node.groups.srp.leave());
    this.crash(id);
  }

  died(id: number, by: number): void {
    const node = this.node(by);
    node.event(() => node.groups.srp.memberDied(id));
  }

  silent(id: number, by: number, ms: number): void {
    const node = this.node(by);
    node.event(() => node.groups.srp.memberSilent(id, ms));
  }

  node(id: number): StoryNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  mcast(id: number, text: string, bytes: number): void {
    const node = this.node(id);
    const message = Buffer.from(`${text}|`.padEnd(bytes, '.'));
    node.event(() => {
      if (!node.groups.mcast(Group.SERVICES, message)) this.note(id, `has no room for ${text}`);
    });
  }

  statistic(id: number, name: StatisticName): number {
    return this.node(id).groups.srp.state.statistics.get(Stat[name]);
  }

  /** One node's variables, in one line. */
  status(id: number): string {
    const s = this.node(id).groups.srp.state;
    const { memb, proc, failed } = s.membership;
    const numbers = `aru ${s.aru} high ${s.high} delivered ${s.highDelivered} released ${s.released}`;
    const queues = `to send ${s.newQueue.length} + ${s.transQueue.length} during sync`;
    return `${id} ${s.state} ${ringIdText(s.ring)} {${memb}} proc {${proc}} failed {${failed}} ${numbers} ${queues}`;
  }

  send(from: number, to: number | 'all', frame: Uint8Array): void {
    const name = frameName(frame);
    if (name === 'COMMIT' && this.stock.has(from)) frame = withoutTrailer(frame);
    this.sent.push({ name, from, frame });
    if (this.traced.has(name)) this.note(from, `> ${to} ${frameText(frame)}`);
    for (const [id] of this.nodes) {
      if (to !== 'all' && to !== id) continue;
      if (this.cuts.has(`${from}>${id}`) || this.isDropped(name, from, id)) continue;
      this.after(HOP_MS, () => {
        const node = this.nodes.get(id);
        if (node === undefined) return;
        if (this.nowMs < node.pausedUntil) node.inbox.push(frame);
        else node.receive(frame);
      });
    }
  }

  /** Somebody who has recorded them sends the frames again. */
  replay(name: FrameName, from: number, to: number): void {
    const frames = this.sent.filter((sent) => sent.name === name && sent.from === from);
    this.note(to, `${frames.length} recorded ${name} of ${from} arrive`);
    for (const { frame } of frames) this.node(to).receive(frame);
  }

  private isDropped(frame: FrameName, from: number, to: number): boolean {
    const rule = this.drops.find(
      (drop) => drop.left > 0 && drop.from === from && drop.to === to && (drop.frame === 'any' || drop.frame === frame),
    );
    if (rule === undefined) return false;
    rule.left--;
    return true;
  }

  pause(id: number, ms: number): void {
    const node = this.node(id);
    node.pausedUntil = this.nowMs + ms;
    this.after(ms, () => {
      while (node.alive && node.inbox.length > 0) node.receive(node.inbox.shift()!);
    });
  }

  run(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      let at = this.heap.nextAt;
      let due: StoryNode | null = null;
      for (const node of this.nodes.values()) {
        const deadline = Math.max(node.groups.srp.nextDeadlineMs(), node.pausedUntil);
        if (deadline < at) {
          at = deadline;
          due = node;
        }
      }
      if (at > end) break;
      this.nowMs = Math.max(this.nowMs, at);
      if (due === null) this.heap.take()!.run();
      else {
        const node = due;
        node.event(() => node.groups.srp.tick(this.nowMs));
      }
    }
    this.nowMs = end;
  }
}
