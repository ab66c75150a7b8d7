import { Timer, type TimerValue } from '../../src/totem/timer-table.ts';
import { FrameType, HEADER } from '../../src/totem/wire/header.ts';
import { hashBytes, hashText, ModelNode } from './model-node.ts';

/** Timers that may go off at any time. The others only report, or need a clock that moves. */
const TIMERS = [
  Timer.TOKEN,
  Timer.TOKEN_RETRANSMIT,
  Timer.HOLD,
  Timer.JOIN,
  Timer.CONSENSUS,
  Timer.MERGE,
] as const satisfies readonly TimerValue[];
const TIMER_NAMES = Object.fromEntries(Object.entries(Timer).map(([name, timer]) => [timer, name]));

const NODES = 3;
/** While a ring has to form time passes: so much for a hop, and so many token timeouts until it has formed. */
const HOP_MS = 0.1;
const SETTLE_TOKENS_MAX = 12;
/** … and so many turns at least, in which what was sent goes round. */
const TURNS_MIN = 120;
/** One state in so many is followed by a time without faults, in which the ring has to form. */
const SETTLE_EVERY = 100;

export interface ModelOptions {
  /** Events after the start. */
  readonly depth: number;
  readonly eventsMax?: number;
  readonly seconds?: number;
  /** How often on one path a node may die, and a frame be lost. */
  readonly crashes?: number;
  readonly losses?: number;
  /** Lets a test plant a bug. */
  readonly spoil?: (node: ModelNode) => void;
}

export interface ModelReport {
  readonly states: number;
  readonly events: number;
  readonly settled: number;
  /** Everything was seen to this depth. */
  readonly complete: number;
  readonly violation: { readonly text: string; readonly path: readonly string[] } | null;
}

interface Channel {
  readonly from: number;
  readonly to: number;
  frames: readonly Uint8Array[];
}

interface Move {
  readonly text: string;
  /** The node whose variables change. */
  readonly node: ModelNode;
  readonly run: () => void;
}

export const STARTS = ['three alone', 'a ring', 'a ring with messages', 'a ring and one alone'] as const;
export type Start = (typeof STARTS)[number];

/**
 * Every interleaving of deliveries, timeouts, deaths and losses among three real cores, from a start to a stated depth; what was reached before, with as many
 * events left, is not followed again. There is no time: whatever timer runs may go off.
 */
export class Explorer {
  private readonly nodes: ModelNode[] = [];
  private readonly channels: Channel[] = [];
  private readonly path: string[] = [];
  private readonly visited = new Map<string, number>();
  private readonly hashes = new Map<Uint8Array, number>();
  private readonly deadlineMs: number;
  private readonly sentTexts = new Set<string>();
  private crashesLeft: number;
  private lossesLeft: number;
  private events = 0;
  private settledCount = 0;
  private cut = false;
  private violation: ModelReport['violation'] = null;

  constructor(
    start: Start,
    private readonly options: ModelOptions,
  ) {
    this.crashesLeft = options.crashes ?? 1;
    this.lossesLeft = options.losses ?? 1;
    this.deadlineMs = performance.now() + (options.seconds ?? Number.POSITIVE_INFINITY) * 1000;
    for (let from = 1; from <= NODES; from++) {
      for (let to = 1; to <= NODES; to++) this.channels.push({ from, to, frames: [] });
      this.nodes.push(new ModelNode(from, { send: (by, to, frame) => this.send(by, to, frame) }));
    }
    for (const node of this.nodes) options.spoil?.(node);
    this.begin(start);
  }

  /** To one depth after the other, so that the shortest way to a violation is found, and what was not seen lies deeper. */
  run(): ModelReport {
    let complete = 0;
    for (let depth = 1; depth <= this.options.depth && !this.cut && this.violation === null; depth++) {
      this.visited.clear();
      this.follow(depth);
      if (!this.cut) complete = depth;
    }
    return {
      states: this.visited.size,
      events: this.events,
      settled: this.settledCount,
      complete,
      violation: this.violation,
    };
  }

  private begin(start: Start): void {
    const [first, second, third] = this.nodes as [ModelNode, ModelNode, ModelNode];
    for (const node of start === 'a ring and one alone' ? [first, second] : this.nodes) node.boot();
    if (start === 'three alone') return;
    this.settle(start === 'a ring and one alone' ? [first, second] : this.nodes);
    if (start === 'a ring with messages') {
      for (const [node, text] of [
        [first, 'a'],
        [first, 'b'],
        [third, 'c'],
      ] as const) {
        node.send(text);
        this.sentTexts.add(text);
      }
      second.send('d');
      this.sentTexts.add('d');
    }
    if (start === 'a ring and one alone') third.boot();
  }

  private send(from: number, to: number | 'all', frame: Uint8Array): void {
    this.hashes.set(frame, hashBytes(frame));
    for (const channel of this.channels)
      if (
        channel.from === from &&
        (to === 'all' ? channel.to !== from || frame[HEADER.type] !== FrameType.MCAST : channel.to === to)
      )
        channel.frames = [...channel.frames, frame];
  }

  private node(id: number): ModelNode {
    return this.nodes[id - 1]!;
  }

  private key(): string {
    const queues = this.channels.map(({ frames }) => frames.map((frame) => this.hashes.get(frame)).join()).join(';');
    const text = `${this.crashesLeft} ${this.lossesLeft} ${queues} ${this.nodes.map((node) => node.describe()).join(' ')}`;
    return `${hashText(text)}.${hashText(text, text.length)}`;
  }

  private moves(): Move[] {
    const moves: Move[] = [];
    for (const channel of this.channels) {
      const { from, to, frames } = channel;
      const node = this.node(to);
      const [frame] = frames;
      if (frame === undefined || !node.alive) continue;
      moves.push({ text: `${from}>${to} arrives (type ${frame[HEADER.type]})`, node, run: () => this.arrive(channel) });
      const lose = (): void => {
        channel.frames = frames.slice(1);
        this.lossesLeft--;
      };
      if (this.lossesLeft > 0 && from !== to)
        moves.push({ text: `${from}>${to} is lost (type ${frame[HEADER.type]})`, node, run: lose });
    }
    for (const node of this.nodes) if (node.alive) this.nodeMoves(node, moves);
    return moves;
  }

  private nodeMoves(node: ModelNode, moves: Move[]): void {
    for (const timer of TIMERS)
      if (node.state.timers.running(timer))
        moves.push({ text: `${node.id} ${TIMER_NAMES[timer]} timer`, node, run: () => node.expire(timer) });
    for (const other of this.nodes)
      if (!other.alive && node.view?.members.includes(other.id))
        moves.push({ text: `${node.id} learns that ${other.id} died`, node, run: () => node.died(other.id) });
    if (this.crashesLeft > 0) moves.push({ text: `${node.id} dies`, node, run: () => this.kill(node) });
  }

  private kill(node: ModelNode): void {
    node.alive = false;
    this.crashesLeft--;
    for (const channel of this.channels) if (channel.to === node.id) channel.frames = [];
  }

  private follow(left: number): void {
    if (this.violation !== null) return;
    const key = this.key();
    const before = this.visited.get(key);
    if (before !== undefined && before >= left) return;
    this.visited.set(key, left);
    const { eventsMax = Number.POSITIVE_INFINITY } = this.options;
    if (this.events >= eventsMax || performance.now() > this.deadlineMs) this.cut = true;
    if (this.cut) return;
    if (this.visited.size % SETTLE_EVERY === 0) this.tryToSettle();
    if (left === 0) return;
    for (const { text, node, run } of this.moves()) {
      const undo = this.save([node]);
      this.path.push(text);
      this.events++;
      run();
      this.check(node);
      if (this.violation !== null) return;
      this.follow(left - 1);
      this.path.pop();
      undo();
      if (this.cut) return;
    }
  }

  private save(nodes: readonly ModelNode[]): () => void {
    const undos = nodes.map((node) => node.save());
    const queues = this.channels.map(({ frames }) => frames);
    const { crashesLeft, lossesLeft } = this;
    return () => {
      for (const undo of undos) undo();
      this.channels.forEach((channel, i) => {
        channel.frames = queues[i]!;
      });
      this.crashesLeft = crashesLeft;
      this.lossesLeft = lossesLeft;
    };
  }

  private fail(text: string): void {
    this.violation ??= { text, path: [...this.path] };
  }

  /** What holds between the nodes, after an event of one of them. */
  private check(node: ModelNode): void {
    for (const text of node.violations) this.fail(`node ${node.id}: ${text}`);
    const { past } = node;
    for (const other of this.nodes) {
      if (other === node) continue;
      for (const [ring, members] of past.commits)
        if ((other.past.commits.get(ring) ?? members) !== members)
          this.fail(`ring ${ring} is proposed for {${members}} and for {${other.past.commits.get(ring)}}`);
      this.checkViews(node, other);
    }
    for (const { messages } of past.views)
      for (const text of messages) if (!this.sentTexts.has(text)) this.fail(`${text} was never sent`);
  }

  private checkViews(node: ModelNode, other: ModelNode): void {
    node.past.views.forEach((view, at) => {
      const place = other.past.views.findIndex(({ ring }) => ring === view.ring);
      const same = other.past.views[place];
      if (same === undefined) return;
      if (same.members.join() !== view.members.join())
        this.fail(`${view.ring} has members {${view.members}} and {${same.members}}`);
      const shared = Math.min(same.messages.length, view.messages.length);
      if (same.messages.slice(0, shared).join() !== view.messages.slice(0, shared).join())
        this.fail(`in ${view.ring} ${node.id} delivered ${view.messages}, ${other.id} ${same.messages}`);
      const next = node.past.views[at + 1];
      const otherNext = other.past.views[place + 1];
      if (next === undefined || next.ring !== otherNext?.ring || !next.together.includes(other.id)) return;
      if (view.messages.join() !== same.messages.join())
        this.fail(
          `${node.id} and ${other.id} leave ${view.ring} together, having delivered ${view.messages} and ${same.messages}`,
        );
    });
  }

  /** From here on nothing is lost, nobody dies, frames take a hop's time, and timers go off when they are due: the ring of the living has to form. */
  private tryToSettle(): void {
    const undo = this.save(this.nodes);
    const length = this.path.length;
    const settled = this.settle(this.nodes.filter(({ alive }) => alive));
    if (!settled) this.fail(`no ring forms: ${this.nodes.map((node) => node.describe()).join('  ')}`);
    this.path.length = length;
    this.settledCount++;
    undo();
  }

  private settle(living: readonly ModelNode[]): boolean {
    const all = living.map(({ id }) => id).join();
    const formed = (): boolean =>
      living.every(
        (node) =>
          node.view?.members.join() === all &&
          node.isIdle &&
          node.state.highDelivered === living[0]?.state.highDelivered,
      );
    let nowMs = Math.max(...this.nodes.map((node) => node.state.nowMs));
    const endMs = nowMs + SETTLE_TOKENS_MAX * living[0]!.state.timings.tokenMs;
    for (let turn = 0; nowMs < endMs && this.violation === null; turn++) {
      if (turn >= TURNS_MIN && formed()) return true;
      const full = this.channels.filter(({ to, frames }) => frames.length > 0 && living.includes(this.node(to)));
      nowMs = full.length > 0 ? nowMs + HOP_MS : Math.min(...living.map((node) => node.groups.srp.nextDeadlineMs()));
      for (const node of living) {
        node.tick(nowMs);
        this.check(node);
      }
      const channel = full[turn % Math.max(1, full.length)];
      if (channel !== undefined) this.arrive(channel);
    }
    return formed();
  }

  private arrive(channel: Channel): void {
    const [frame] = channel.frames;
    if (frame === undefined) return;
    channel.frames = channel.frames.slice(1);
    this.node(channel.to).receive(frame);
    this.check(this.node(channel.to));
  }
}
