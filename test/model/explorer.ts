import { Timer, type TimerValue } from '../../src/totem/timer-table.ts';
import { FrameType, HEADER } from '../../src/totem/wire/header.ts';
import { Frames, type Local, Locals, type Sent, type Step } from './locals.ts';
import { ModelNode, type Past } from './model-node.ts';
import { Table } from './table.ts';

const TIMER_NAMES = Object.fromEntries(Object.entries(Timer).map(([name, timer]) => [timer, name]));

const NODES = 3;
/** While a ring has to form time passes: so much for a hop, and so many token timeouts until it has formed. */
const HOP_MS = 0.1;
const SETTLE_TOKENS_MAX = 12;
/** … and so many turns at least, in which what was sent goes round. */
const TURNS_MIN = 120;
/** One state in so many is followed by a time without faults, in which the ring has to form: of the first ones, and of those that come later. */
const SETTLE_EVERY = 100;
const SETTLE_EVERY_LATER = 5000;
const MANY_STATES = 50_000;

/** A state of all: one of each node, what waits on each line, how many may still die and be lost; and where it came from: the state, and which of its moves. */
const LINES_AT = NODES;
const LINES = NODES * NODES;
const CRASHES_AT = LINES_AT + LINES;
const LOSSES_AT = CRASHES_AT + 1;
const KEYS = LOSSES_AT + 1;
const PARENT_AT = KEYS;
const MOVE_AT = KEYS + 1;
const COLUMNS = KEYS + 2;

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
  /** Events that a core was run for; the others were known from another state of the other nodes. */
  readonly runs: number;
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
  /** Makes the state that follows of a copy of the one that is. */
  readonly apply: (row: Int32Array) => void;
  /** The node whose variables change; none where a frame is lost. */
  readonly node: number;
}

export const STARTS = ['three alone', 'a ring', 'a ring with messages', 'a ring and one alone'] as const;
export type Start = (typeof STARTS)[number];

const lineOf = (from: number, to: number): number => LINES_AT + NODES * from + to;

/**
 * Every interleaving of deliveries, timeouts, deaths and losses among three real cores, from a start to a stated depth, breadth first: each state is followed once, and the path to a
 * violation is the shortest. There is no time: whatever timer runs may go off.
 *
 * Most of it is not run. The nodes of a state change one at a time, and what an event makes of a node depends on that node alone (`Locals`), so the core is run once
 * for each state of a node and each input, and the millions of states of all are combinations of the thousands of each. All of them are visited, in
 * every order of events, so what holds between nodes is looked at in each. No symmetry is used: nodes differ by their ids, and the lowest is the representative.
 */
export class Explorer {
  private readonly nodes: ModelNode[] = [];
  private readonly locals: Locals[] = [];
  private readonly frames = new Frames();
  /** What waits on a line: frames by number, and this list by its own. */
  private readonly queues: (readonly number[])[] = [];
  private readonly queueNumbers = new Map<string, number>();
  private readonly table = new Table(COLUMNS, KEYS);
  /** States of another node that a state of a node was compared with, by the two nodes and its number. */
  private readonly compared: Set<number>[][] = Array.from({ length: NODES * NODES }, () => []);
  private readonly channels: Channel[] = [];
  private readonly deadlineMs: number;
  private readonly sentTexts = new Set<string>();
  /** Whose step it is, whose frames are therefore its outcome; null: they go on the lines, since time passes. */
  private stepping: Locals | null = null;
  private events = 0;
  private runs = 0;
  private settledCount = 0;
  private cut = false;
  private violation: ModelReport['violation'] = null;

  constructor(
    start: Start,
    private readonly options: ModelOptions,
  ) {
    this.deadlineMs = performance.now() + (options.seconds ?? Number.POSITIVE_INFINITY) * 1000;
    for (let from = 1; from <= NODES; from++) {
      for (let to = 1; to <= NODES; to++) this.channels.push({ from, to, frames: [] });
      const node = new ModelNode(from, { send: (by, to, frame) => this.send(by, to, frame) });
      this.nodes.push(node);
      this.locals.push(new Locals(node, this.frames));
    }
    for (const node of this.nodes) options.spoil?.(node);
    this.begin(start);
  }

  run(): ModelReport {
    let complete = 0;
    let layer = 0;
    this.addStart();
    while (complete < this.options.depth && this.violation === null) {
      const end = this.table.length;
      for (; layer < end && !this.cut && this.violation === null; layer++) this.follow(layer);
      if (this.cut || this.violation !== null) break;
      complete++;
    }
    const { length: states } = this.table;
    const { events, runs, settledCount: settled, violation } = this;
    return { states, events, runs, settled, complete, violation };
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
    if (this.stepping !== null) {
      this.stepping.send(to, frame);
      return;
    }
    for (const channel of this.channels)
      if (channel.from === from && isFor(channel.from, channel.to, to, frame[HEADER.type]!))
        channel.frames = [...channel.frames, frame];
  }

  private node(id: number): ModelNode {
    return this.nodes[id - 1]!;
  }

  // ---- states of all ----

  private queueNumber(frames: readonly number[]): number {
    const text = frames.join();
    const known = this.queueNumbers.get(text);
    if (known !== undefined) return known;
    this.queueNumbers.set(text, this.queues.length);
    return this.queues.push(frames) - 1;
  }

  private addStart(): void {
    const row = new Int32Array(COLUMNS);
    this.locals.forEach((locals, i) => {
      row[i] = locals.here().id;
    });
    this.channels.forEach(({ frames }, i) => {
      row[LINES_AT + i] = this.queueNumber(frames.map((frame) => this.frames.numberOf(frame)));
    });
    row[CRASHES_AT] = this.options.crashes ?? 1;
    row[LOSSES_AT] = this.options.losses ?? 1;
    row[PARENT_AT] = -1;
    this.table.add(row);
  }

  private localOf(row: Int32Array, node: number): Local {
    return this.locals[node]!.all[row[node]!]!;
  }

  private moves(row: Int32Array): Move[] {
    const moves: Move[] = [];
    for (let from = 0; from < NODES; from++)
      for (let to = 0; to < NODES; to++) if (this.localOf(row, to).alive) this.lineMoves(row, from, to, moves);
    for (let node = 0; node < NODES; node++) if (this.localOf(row, node).alive) this.nodeMoves(row, node, moves);
    return moves;
  }

  private lineMoves(row: Int32Array, from: number, to: number, moves: Move[]): void {
    const line = lineOf(from, to);
    const frames = this.queues[row[line]!]!;
    const [frame] = frames;
    if (frame === undefined) return;
    const name = `${from + 1}>${to + 1}`;
    const type = this.frames.typeOf(frame);
    const shift = (next: Int32Array): void => {
      next[line] = this.queueNumber(frames.slice(1));
    };
    const arrive = (next: Int32Array): void => {
      shift(next);
      this.take(next, to, `frame ${frame}`, (node) => node.receive(this.frames.all[frame]!));
    };
    moves.push({ text: `${name} arrives (type ${type})`, node: to, apply: arrive });
    if (row[LOSSES_AT]! === 0 || from === to) return;
    const lose = (next: Int32Array): void => {
      shift(next);
      next[LOSSES_AT]!--;
    };
    moves.push({ text: `${name} is lost (type ${type})`, node: -1, apply: lose });
  }

  private nodeMoves(row: Int32Array, node: number, moves: Move[]): void {
    const { timers, members } = this.localOf(row, node);
    for (const timer of timers) this.addTimer(node, timer, moves);
    for (let other = 0; other < NODES; other++) {
      const id = other + 1;
      if (this.localOf(row, other).alive || !members.includes(id)) continue;
      const learn = (next: Int32Array): void => this.take(next, node, `death of ${id}`, (real) => real.died(id));
      moves.push({ text: `${node + 1} learns that ${id} died`, node, apply: learn });
    }
    if (row[CRASHES_AT]! > 0) moves.push({ text: `${node + 1} dies`, node, apply: (next) => this.kill(next, node) });
  }

  private addTimer(node: number, timer: TimerValue, moves: Move[]): void {
    const expire = (next: Int32Array): void => this.take(next, node, `timer ${timer}`, (real) => real.expire(timer));
    moves.push({ text: `${node + 1} ${TIMER_NAMES[timer]} timer`, node, apply: expire });
  }

  private kill(next: Int32Array, node: number): void {
    next[CRASHES_AT]!--;
    this.take(next, node, 'death', (real) => {
      real.alive = false;
    });
    for (let from = 0; from < NODES; from++) next[lineOf(from, node)] = this.queueNumber([]);
  }

  /** A node takes a step, and what it sends is on its lines. */
  private take(next: Int32Array, node: number, input: string, run: (node: ModelNode) => void): void {
    const locals = this.locals[node]!;
    const step: Step = locals.step(locals.all[next[node]!]!, input, (real) => {
      this.runs++;
      this.stepping = locals;
      run(real);
      this.stepping = null;
    });
    next[node] = step.local.id;
    for (const sent of step.sent) this.put(next, node, sent);
  }

  private put(next: Int32Array, from: number, { to, frame }: Sent): void {
    const type = this.frames.typeOf(frame);
    for (let other = 0; other < NODES; other++) {
      if (!isFor(from + 1, other + 1, to, type) || !this.localOf(next, other).alive) continue; // nobody hears what a dead node is sent
      const line = lineOf(from, other);
      next[line] = this.queueNumber([...this.queues[next[line]!]!, frame]);
    }
  }

  private follow(index: number): void {
    const { eventsMax = Number.POSITIVE_INFINITY } = this.options;
    const row = new Int32Array(COLUMNS);
    const next = new Int32Array(COLUMNS);
    this.table.read(index, row);
    for (const [at, { node, apply }] of this.moves(row).entries()) {
      if (this.events >= eventsMax || performance.now() > this.deadlineMs) this.cut = true;
      if (this.cut) return;
      this.events++;
      next.set(row);
      apply(next);
      next[PARENT_AT] = index;
      next[MOVE_AT] = at;
      if (node >= 0) this.checkState(next, node);
      if (this.violation !== null) return;
      if (!this.table.add(next)) continue;
      const { length } = this.table;
      if (length % (length < MANY_STATES ? SETTLE_EVERY : SETTLE_EVERY_LATER) === 0) this.tryToSettle(next);
      if (this.violation !== null) return;
    }
  }

  /** The moves that lead to a state. */
  private pathTo(row: Int32Array): string[] {
    const path: string[] = [];
    const state = Int32Array.from(row);
    const parent = new Int32Array(COLUMNS);
    while (state[PARENT_AT]! >= 0) {
      this.table.read(state[PARENT_AT]!, parent);
      path.unshift(this.moves(parent)[state[MOVE_AT]!]!.text);
      state.set(parent);
    }
    return path;
  }

  // ---- what holds ----

  private fail(text: string, row: Int32Array | null): void {
    this.violation ??= { text, path: row === null ? [] : this.pathTo(row) };
  }

  /** After an event of one node. */
  private checkState(row: Int32Array, node: number): void {
    const local = this.localOf(row, node);
    for (const text of local.violations) this.fail(`node ${node + 1}: ${text}`, row);
    for (let other = 0; other < NODES; other++) {
      if (other === node) continue;
      const [a, b] = node < other ? [node, other] : [other, node];
      const pairs = this.compared[NODES * a + b]!;
      pairs[row[a]!] ??= new Set();
      if (pairs[row[a]!]!.has(row[b]!)) continue;
      pairs[row[a]!]!.add(row[b]!);
      for (const text of this.compare(a + 1, this.localOf(row, a).past, b + 1, this.localOf(row, b).past))
        this.fail(text, row);
    }
  }

  /** What holds between two nodes. */
  private compare(node: number, past: Past, other: number, otherPast: Past): string[] {
    const found: string[] = [];
    for (const [ring, members] of past.commits)
      if ((otherPast.commits.get(ring) ?? members) !== members)
        found.push(`ring ${ring} is proposed for {${members}} and for {${otherPast.commits.get(ring)}}`);
    for (const { messages } of [...past.views, ...otherPast.views])
      for (const text of messages) if (!this.sentTexts.has(text)) found.push(`${text} was never sent`);
    found.push(...compareViews(node, past, other, otherPast), ...compareViews(other, otherPast, node, past));
    return found;
  }

  /** From here on nothing is lost, nobody dies, frames take a hop's time, and timers go off when they are due: the ring of the living has to form. */
  private tryToSettle(row: Int32Array): void {
    this.nodes.forEach((_, i) => {
      this.locals[i]!.enter(this.localOf(row, i));
      this.locals[i]!.leave();
    });
    this.channels.forEach((channel, i) => {
      channel.frames = this.queues[row[LINES_AT + i]!]!.map((frame) => this.frames.all[frame]!);
    });
    const settled = this.settle(this.nodes.filter(({ alive }) => alive));
    if (!settled) this.fail(`no ring forms: ${this.nodes.map((node) => node.describe()).join('  ')}`, row);
    this.settledCount++;
  }

  private check(node: ModelNode): void {
    for (const text of node.violations) this.fail(`node ${node.id}: ${text}`, null);
    for (const other of this.nodes)
      if (other !== node)
        for (const text of this.compare(node.id, node.past, other.id, other.past)) this.fail(text, null);
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

/** What a node sends reaches whom it is for; its own copy of a message tells it nothing. */
const isFor = (from: number, other: number, to: number | 'all', type: number): boolean =>
  to === 'all' ? other !== from || type !== FrameType.MCAST : other === to;

function compareViews(node: number, past: Past, other: number, otherPast: Past): string[] {
  const found: string[] = [];
  past.views.forEach((view, at) => {
    const place = otherPast.views.findIndex(({ ring }) => ring === view.ring);
    const same = otherPast.views[place];
    if (same === undefined) return;
    if (same.members.join() !== view.members.join())
      found.push(`${view.ring} has members {${view.members}} and {${same.members}}`);
    const shared = Math.min(same.messages.length, view.messages.length);
    if (same.messages.slice(0, shared).join() !== view.messages.slice(0, shared).join())
      found.push(`in ${view.ring} ${node} delivered ${view.messages}, ${other} ${same.messages}`);
    const next = past.views[at + 1];
    const otherNext = otherPast.views[place + 1];
    if (next === undefined || next.ring !== otherNext?.ring || !next.together.includes(other)) return;
    if (view.messages.join() !== same.messages.join())
      found.push(
        `${node} and ${other} leave ${view.ring} together, having delivered ${view.messages} and ${same.messages}`,
      );
  });
  return found;
}
