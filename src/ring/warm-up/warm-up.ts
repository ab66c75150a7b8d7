import type { TotemConfig } from '../../config/totem-config.ts';
import { Arena } from '../../os/arena.ts';
import { multicastOf, PracticeClient } from '../cpg/practice-client.ts';
import { Descriptors } from '../descriptors.ts';
import { MemoryNetwork } from './memory-wire.ts';
import { type PracticeEnvironment, PracticeNode, practiceConfig, practiceEnvironment } from './practice-node.ts';

const NODES = 2;
/** Reserved; some megabytes of it are touched. */
const ARENA_BYTES = 256 << 20;

const MEMBERS = 'warm-up';
const GUESTS = 'guests';
const SMALL_BYTES = 64;
/** Every so many rounds are not of one small message. */
const ROUNDS_PER_OTHER = 16;
const ROUNDS_PER_SECOND_SENDER = 4;
const ROUNDS_PER_GUEST = 150;
/** With every round: looks that find several pay, and the guest stays moderated. */
const GUEST_MESSAGES = 2;
/** Without messages for so many turns the ring comes to rest: the token is held. */
const ROUNDS_PER_REST = 200;
const REST_TURNS = 100;
/** A busy loop does not sleep, one with a message now and then does after each. */
const TURNS_PER_SLEEP = 4;
const SLEEPS_PER_SECOND = 100;
const SECOND_MS = 1001;
/**
 * From both members more than their rings hold, while nobody reads for some turns. First thing of all: what clients that do not read change in
 * the shapes of objects is to be changed before anything is compiled.
 */
const ROUNDS_PER_FLOOD = 2000;
const FLOOD_MESSAGES = 6;
const LARGE_BYTES = 10_000;
const FLOOD_TURNS = 30;

/** Messages at once. */
interface Piece {
  readonly request: Uint8Array;
  readonly count: number;
}

/**
 * Practice for the code of the ring thread: two nodes of the daemon's own parts (`RunningRing`, with the real one's transport, encryption and
 * services) form a ring in memory, and their clients multicast. V8 compiles what runs often, by what it has seen, so the code that the first real
 * messages meet is compiled, and for the same classes. Nobody else sees anything of it: no descriptor leads anywhere, there are no files,
 * counters and log lines go into memory that is dropped.
 *
 *   client ──request ring──> node 1 ═══ memory ═══ node 2 <──request ring── client
 *          <──event ring───                               ───event ring──>
 */
export class WarmUp {
  /** Rounds so far: messages that were sent and have come back to all members. */
  rounds = 0;
  private readonly arena = Arena.map(ARENA_BYTES);
  private readonly descriptors = new Descriptors();
  private readonly network = new MemoryNetwork(this.arena);
  /** Of the node that is built next. */
  private environment: PracticeEnvironment | null = null;
  private readonly nodes: PracticeNode[] = [];
  private opened = 0;
  private readonly members: PracticeClient[] = [];
  /** Comes, sends with every round, and goes: each new one is first answered at once, and then moderated. */
  private guest: PracticeClient | null = null;
  private readonly gone: PracticeClient[] = [];
  private lastId = 0;
  /** Events that the members get of the round in hand. */
  private expected = 0;
  private turns = 0;
  private sleeps = 0;
  private sleptMs = 0;
  private restTurns = 0;
  private unreadTurns = 0;
  private readonly small: Piece = { request: multicastOf(SMALL_BYTES), count: 1 };
  private readonly flood: Piece = { request: multicastOf(LARGE_BYTES), count: FLOOD_MESSAGES };
  private readonly others: readonly Piece[] = [
    { request: multicastOf(SMALL_BYTES), count: 10 },
    { request: multicastOf(1400), count: 4 },
    { request: multicastOf(LARGE_BYTES), count: 1 },
  ];

  constructor(private readonly config: TotemConfig) {}

  /** A turn of both nodes and of their clients, some ten microseconds when all is compiled; `false`: nothing can be done until a timer is due. */
  step(nowMs: number): boolean {
    if (this.opened < NODES) {
      this.build(nowMs);
      return true;
    }
    const work = this.turn(nowMs);
    if (this.members.length === 0) return this.join() || work > 0;
    if (this.restTurns > 0) this.restTurns--;
    else if (this.isComplete()) this.nextRound();
    return true;
  }

  /** One thing at a time: all together they would take longer than any step after them. */
  private build(nowMs: number): void {
    const { nodes, environment, opened } = this;
    if (environment !== null) {
      nodes.push(new PracticeNode(environment, this.configOf(nodes.length + 1), nowMs));
      this.environment = null;
    } else if (opened < nodes.length) {
      nodes[opened]!.open();
      this.opened++;
    } else {
      const config = this.configOf(nodes.length + 1);
      this.environment = practiceEnvironment(this.arena, this.descriptors, this.network, config, nowMs);
    }
  }

  private configOf(nodeId: number): TotemConfig {
    return practiceConfig(this.config, nodeId, NODES);
  }

  private turn(nowMs: number): number {
    const { nodes, members } = this;
    let work = this.descriptors.wait(0);
    for (let i = 0; i < nodes.length; i++) work += nodes[i]!.ring.turn(nowMs);
    if (this.unreadTurns > 0) this.unreadTurns--;
    else for (let i = 0; i < members.length; i++) members[i]!.take();
    this.guest?.take();
    if (work === 0 || ++this.turns % TURNS_PER_SLEEP === 0) this.beforeSleep(nowMs);
    return work;
  }

  /** What is done once a second only, before a sleep, is done now and then: not before there are messages, a quiet ring collects this thread's heap. */
  private beforeSleep(nowMs: number): void {
    if (this.members.length > 0 && ++this.sleeps % SLEEPS_PER_SECOND === 0) this.sleptMs += SECOND_MS;
    for (let i = 0; i < this.nodes.length; i++) this.nodes[i]!.beforeSleep(nowMs + this.sleptMs);
  }

  /** A member on each node, once they are one ring. */
  private join(): boolean {
    if (!this.nodes.every(({ isFormed }) => isFormed)) return false;
    for (const { ring } of this.nodes) this.members.push(new PracticeClient(ring, ++this.lastId, MEMBERS));
    this.expected = NODES + 1; // the first to join sees both joins, the other its own
    return true;
  }

  private isComplete(): boolean {
    let events = 0;
    for (let i = 0; i < this.members.length; i++) events += this.members[i]!.events;
    return events >= this.expected;
  }

  private nextRound(): void {
    const round = this.rounds++;
    if (round % ROUNDS_PER_GUEST === 0) this.nextGuest();
    if (round % ROUNDS_PER_REST === ROUNDS_PER_REST - 1) this.restTurns = REST_TURNS;
    const { request, count } = this.pieceOf(round);
    for (let i = 0; i < this.members.length; i++) this.members[i]!.events = 0;
    const second = round % ROUNDS_PER_SECOND_SENDER === 1;
    const all = round % ROUNDS_PER_FLOOD === 0;
    let posted = 0;
    for (let i = 0; i < this.members.length; i++)
      if (all || i > 0 === second) posted += this.members[i]!.post(request, count);
    this.expected = NODES * posted;
    this.guest?.post(this.small.request, GUEST_MESSAGES);
  }

  private pieceOf(round: number): Piece {
    if (round % ROUNDS_PER_FLOOD === 0) {
      this.unreadTurns = FLOOD_TURNS;
      return this.flood;
    }
    if (round % ROUNDS_PER_OTHER !== 0) return this.small;
    return this.others[(round / ROUNDS_PER_OTHER) % this.others.length]!;
  }

  private nextGuest(): void {
    if (this.guest !== null) {
      this.guest.hangUp();
      this.gone.push(this.guest);
      this.guest = null;
      return;
    }
    this.guest = new PracticeClient(this.nodes[0]!.ring, ++this.lastId, GUESTS);
  }

  /** Gives everything back; the objects are the collector's. */
  close(): void {
    const present = this.guest === null ? this.members : [...this.members, this.guest];
    for (const client of present) client.hangUp();
    for (const node of this.nodes) node.close();
    for (const client of [...present, ...this.gone]) client.close();
    this.descriptors.close();
    this.arena.unmap();
  }
}
