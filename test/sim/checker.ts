import type { ConfigurationChange, RingId } from '../../src/lib/ring-id.ts';
import { ringSeqNewer } from '../../src/lib/ring-seq.ts';
import { ReferenceAssembler } from './reference-assembler.ts';

const ringKey = (ring: RingId): string => `${ring.rep}.${ring.seq}`;
const setKey = (nodes: readonly number[]): string => [...nodes].sort((a, b) => a - b).join(',');
const VIOLATIONS_MAX = 20;

const STREAMS = 1_000_000;
const LIVES = 1000;
const COUNTERS = 10_000_000;
/** A FIFO of a sender as a number: half of the simulator's time would go into making strings of it. */
const fifoOf = (node: number, life: number, stream: number): number => (node * LIVES + life) * STREAMS + stream;
const nameOf = (fifo: number, counter: number): string => {
  const sender = Math.trunc(fifo / STREAMS);
  return `${Math.trunc(sender / LIVES)}/${sender % LIVES}/${fifo % STREAMS}#${counter}`;
};

interface Delivered {
  last: number;
  readonly counters: boolean[];
}

/** One life of a node: from its start to its crash. */
export class View {
  ring: string | null = null;
  record: RingRecord | null = null;
  ringRep = -1;
  ringSeq = -1;
  members: readonly number[] = [];
  phase: 'start' | 'regular' | 'transitional' = 'start';
  transitional: ConfigurationChange | null = null;
  /** Sequence numbers of the packets delivered in this ring: a rolling hash, and the last one. */
  lastSeq = -1;
  sequenceHash = 0;
  sequenceCount = 0;
  hashBeforeTransitional = '';
  /** Rings lived in, each with the last packet delivered before its TRANSITIONAL. */
  readonly path: { readonly ring: string; regularSeq: number }[] = [];
  /** Messages delivered, by FIFO and counter. */
  readonly delivered = new Map<number, Delivered>();
  /** Own messages that were accepted and not delivered yet. */
  readonly pending = new Set<number>();
  readonly reference = new ReferenceAssembler();
  expected: Uint8Array[] = [];
  messagesDelivered = 0;
  alive = true;

  constructor(
    readonly node: number,
    readonly life: number,
  ) {}
}

export interface PacketBody {
  readonly bytes: Uint8Array;
  offset: number;
  length: number;
}

interface RingRecord {
  readonly members: string;
  readonly hashes: number[];
  firstSeq: number;
  /** Who installed it, coming from which ring, with which transitional set. */
  readonly installs: { readonly node: number; readonly from: string; readonly trans: readonly number[] }[];
  /** Messages as their own senders delivered them. */
  readonly messages: { readonly fifo: number; readonly counter: number; readonly endSeq: number }[];
}

interface Departure {
  readonly node: number;
  readonly sequences: string;
}

/**
 * The rules of extended virtual synchrony, checked at every event (totem.md 4.14, 4.16, 5.3, 5.7). A packet is one MCAST of
 * the ring; a message is what an application sent.
 */
export class Checker {
  readonly violations: string[] = [];
  private readonly rings = new Map<string, RingRecord>();
  private readonly departures = new Map<string, Departure>();
  /** Ring id → membership, from the moment it is proposed. */
  private readonly proposed = new Map<string, string>();
  private readonly lastSeqOfNode = new Map<number, number>();
  readonly views: View[] = [];
  packets = 0;
  messages = 0;
  /** Regular views at nodes; the transitional ones before them are not counted. */
  viewChanges = 0;

  constructor(
    private readonly now: () => number,
    private readonly checkReassembly: boolean,
    /** Ring sequences may leap around their circle: there is an attacker. */
    private readonly circle = false,
  ) {}

  violation(view: View | null, text: string): void {
    const who = view === null ? '' : `node ${view.node}/${view.life}: `;
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(`${this.now().toFixed(3)} ms ${who}${text}`);
  }

  born(node: number, life: number): View {
    const view = new View(node, life);
    this.views.push(view);
    return view;
  }

  /** A node enters COMMIT for a ring. */
  committed(view: View, ring: RingId, members: readonly number[]): void {
    const key = ringKey(ring);
    const known = this.proposed.get(key);
    if (known === undefined) this.proposed.set(key, setKey(members));
    else if (known !== setKey(members))
      this.violation(view, `ring id ${key} proposed for {${known}} and for {${setKey(members)}}`);
    // Around a circle "newer" is no order: what was reserved and not used lies between two lives.
    const node = this.circle ? view.node * LIVES + view.life : view.node;
    const before = this.lastSeqOfNode.get(node);
    if (before !== undefined && !ringSeqNewer(ring.seq, before))
      this.violation(view, `ring seq ${ring.seq} after ${before}`);
    this.lastSeqOfNode.set(node, ring.seq);
  }

  configuration(view: View, change: ConfigurationChange): void {
    if (change.kind === 'transitional') this.transitional(view, change);
    else {
      this.viewChanges++;
      this.regular(view, change);
    }
  }

  private transitional(view: View, change: ConfigurationChange): void {
    if (view.phase === 'transitional') this.violation(view, 'two TRANSITIONAL in a row');
    if (change.joined.length > 0) this.violation(view, 'TRANSITIONAL with joined nodes');
    if (view.ring === null) {
      if (change.members.length > 0) this.violation(view, 'the first TRANSITIONAL has members');
    } else {
      if (!change.members.includes(view.node)) this.violation(view, 'TRANSITIONAL without myself');
      const left = view.members.filter((node) => !change.members.includes(node));
      if (setKey(left) !== setKey(change.left)) this.violation(view, `left is ${change.left}, expected ${left}`);
      if (!change.members.every((node) => view.members.includes(node)))
        this.violation(view, 'TRANSITIONAL names strangers');
    }
    view.phase = 'transitional';
    view.transitional = change;
    view.hashBeforeTransitional = `${view.sequenceCount}:${view.sequenceHash}`;
    view.reference.forget(change.left);
  }

  private regular(view: View, change: ConfigurationChange): void {
    const before = view.transitional;
    if (view.phase !== 'transitional' || before === null) {
      this.violation(view, 'REGULAR without TRANSITIONAL');
      return;
    }
    const key = ringKey(change.ringId);
    if (ringKey(before.ringId) !== key) this.violation(view, 'TRANSITIONAL and REGULAR name different rings');
    if (change.left.length > 0) this.violation(view, 'REGULAR with left nodes');
    if (!change.members.includes(view.node)) this.violation(view, 'REGULAR without myself');
    if (change.members.join() !== setKey(change.members)) this.violation(view, 'REGULAR members are not ascending');
    const joined = change.members.filter((node) => !before.members.includes(node));
    if (setKey(joined) !== setKey(change.joined))
      this.violation(view, `joined is ${change.joined}, expected ${joined}`);
    if (!before.members.every((node) => change.members.includes(node)))
      this.violation(view, 'a transitional member is not in the new ring');
    this.checkDeparture(view, key, before.members);
    this.install(view, change, before.members);
  }

  /** Who moves together has delivered the same packets of the old ring, before and after TRANSITIONAL. */
  private checkDeparture(view: View, newRing: string, trans: readonly number[]): void {
    if (view.ring === null) return;
    const key = `${view.ring}>${newRing}`;
    const sequences = `${view.hashBeforeTransitional}|${view.sequenceCount}:${view.sequenceHash}|${setKey(trans)}`;
    const first = this.departures.get(key);
    if (first === undefined) this.departures.set(key, { node: view.node, sequences });
    else if (first.sequences !== sequences)
      this.violation(view, `left ${key} with ${sequences}, node ${first.node} with ${first.sequences}`);
  }

  private install(view: View, change: ConfigurationChange, trans: readonly number[]): void {
    const key = ringKey(change.ringId);
    const members = setKey(change.members);
    let record = this.rings.get(key);
    if (record === undefined) {
      record = { members, hashes: [], firstSeq: -1, installs: [], messages: [] };
      this.rings.set(key, record);
    }
    if (record.members !== members) this.violation(view, `ring ${key} is {${record.members}} and {${members}}`);
    const from = view.ring ?? `none ${view.node}/${view.life}`;
    for (const other of record.installs) {
      if (other.node === view.node) this.violation(view, `ring ${key} installed twice`);
      const together = other.from === from;
      if (together !== trans.includes(other.node) || together !== other.trans.includes(view.node))
        this.violation(view, `transitional sets of ${key} disagree with node ${other.node}`);
    }
    record.installs.push({ node: view.node, from, trans });
    view.ring = key;
    view.record = record;
    view.ringRep = change.ringId.rep;
    view.ringSeq = change.ringId.seq;
    view.members = change.members;
    view.phase = 'regular';
    view.transitional = null;
    view.lastSeq = -1;
    view.sequenceCount = 0;
    view.sequenceHash = 0;
    view.path.push({ ring: key, regularSeq: -1 });
  }

  /** The ring protocol hands a packet up: number `seq` of ring `rep`.`ringSeq`. */
  packet(view: View, rep: number, ringSeq: number, seq: number, from: number, body: PacketBody): void {
    this.packets++;
    const { record } = view;
    if (record === null || view.ringRep !== rep || view.ringSeq !== ringSeq) {
      this.violation(view, `packet ${rep}.${ringSeq}#${seq} delivered in ring ${view.ring}`);
      return;
    }
    const hash = hashOf(body, from);
    if (record.hashes[seq] === undefined) record.hashes[seq] = hash;
    else if (record.hashes[seq] !== hash) this.violation(view, `packet ${view.ring}#${seq} differs between nodes`);
    if (view.phase === 'regular') this.checkGapless(view, record, seq);
    else if (seq <= view.lastSeq) this.violation(view, `packet ${view.ring}#${seq} after #${view.lastSeq}`);
    if (!view.members.includes(from)) this.violation(view, `packet of node ${from}, which is no member`);
    // All that comes now lies behind a hole: what filled it may be what this packet builds on (totem.md 4.3 step 7).
    if (view.phase === 'transitional' && !view.transitional!.members.includes(from))
      this.violation(view, `packet of node ${from} behind a hole, which does not move along`);
    view.lastSeq = seq;
    if (view.phase === 'regular') view.path.at(-1)!.regularSeq = seq;
    view.sequenceCount++;
    view.sequenceHash = (Math.imul(view.sequenceHash, 31) + seq) | 0;
    if (this.checkReassembly)
      view.expected = view.reference.packet(from, body.bytes.subarray(body.offset, body.offset + body.length));
  }

  private checkGapless(view: View, record: RingRecord, seq: number): void {
    if (view.lastSeq >= 0) {
      if (seq !== view.lastSeq + 1) this.violation(view, `packet #${seq} of ${view.ring} after #${view.lastSeq}`);
    } else if (record.firstSeq < 0) record.firstSeq = seq;
    else if (record.firstSeq !== seq)
      this.violation(view, `ring ${view.ring} begins with #${seq}, elsewhere with #${record.firstSeq}`);
  }

  /** Rings that at least one node has gone over to. */
  get ringCount(): number {
    return this.rings.size;
  }

  /** Everything that a packet had to deliver was delivered. */
  packetDone(view: View): void {
    if (view.expected.length > 0)
      this.violation(view, `${view.expected.length} messages of a packet were not delivered`);
    view.expected = [];
  }

  /** Any message, before it is looked into: it must be what the reference expects next. */
  anyMessage(view: View, memory: Uint8Array, offset: number, length: number): void {
    if (!this.checkReassembly) return;
    const expected = view.expected.shift();
    if (expected === undefined) {
      this.violation(view, 'a message that no packet holds');
      return;
    }
    const tail = expected.subarray(expected.length - length);
    if (Buffer.compare(tail, memory.subarray(offset, offset + length)) !== 0)
      this.violation(view, 'a message differs from its packet');
  }

  /**
   * A message of an application. `stream` names a FIFO of its sender. `owed`: every member that has its last packet must
   * deliver it.
   */
  message(view: View, from: number, life: number, stream: number, counter: number, owed: boolean): void {
    this.messages++;
    view.messagesDelivered++;
    const fifo = fifoOf(from, life, stream);
    let delivered = view.delivered.get(fifo);
    if (delivered === undefined) {
      delivered = { last: -1, counters: [] };
      view.delivered.set(fifo, delivered);
    }
    if (delivered.counters[counter] === true) this.violation(view, `message ${nameOf(fifo, counter)} delivered twice`);
    if (counter <= delivered.last) this.violation(view, `message ${nameOf(fifo, counter)} after #${delivered.last}`);
    delivered.counters[counter] = true;
    delivered.last = counter;
    if (from !== view.node || life !== view.life) return;
    if (!view.pending.delete(stream * COUNTERS + counter))
      this.violation(view, `message ${nameOf(fifo, counter)} was never sent`);
    if (owed) view.record?.messages.push({ fifo, counter, endSeq: view.lastSeq });
  }

  sent(view: View, stream: number, counter: number): void {
    view.pending.add(stream * COUNTERS + counter);
  }

  /**
   * At the end: whoever has delivered, in a regular configuration, the packet that completes a message has delivered the
   * message, also if it joined after the message was begun. (Stock does not reach this: see half-sent.ts.)
   */
  finish(): void {
    for (const view of this.views) {
      for (const { ring, regularSeq } of view.path) {
        for (const { fifo, counter, endSeq } of this.rings.get(ring)!.messages) {
          if (endSeq <= regularSeq && view.delivered.get(fifo)?.counters[counter] !== true)
            this.violation(view, `message ${nameOf(fifo, counter)} (ring ${ring} #${endSeq}) was never delivered`);
        }
      }
    }
    for (const view of this.views) {
      if (!view.alive) continue;
      for (const id of view.pending) {
        const fifo = fifoOf(view.node, view.life, Math.trunc(id / COUNTERS));
        this.violation(view, `own message ${nameOf(fifo, id % COUNTERS)} never came back`);
      }
    }
  }
}

function hashOf({ bytes, offset, length }: PacketBody, from: number): number {
  let hash = Math.imul(from, 31) + length;
  const step = Math.max(1, length >> 6);
  for (let i = 0; i < length; i += step) hash = (Math.imul(hash, 16777619) ^ bytes[offset + i]!) | 0;
  return hash;
}
