import t from 'tap';
import {
  type OrderPlace,
  type PersistRecord,
  ReplicaCore,
  type ReplicaHost,
} from '../../src/platform/replicated/core.ts';
import type { Entry, ReplicaMessage } from '../../src/platform/replicated/messages.ts';

/** A member of a machine without quorum. Its state is a set of words; two states are merged into one that has what either has. */
class Program implements ReplicaHost {
  readonly core: ReplicaCore;
  readonly words = new Set<string>();
  readonly confirmed: string[] = [];
  readonly inbox: (() => void)[] = [];
  /** It hears nothing for now. */
  deaf = false;
  /** Which messages of it wait at its daemon for now. */
  holds: (message: ReplicaMessage) => boolean = () => false;
  private held: ReplicaMessage[] = [];
  private readonly submitted = new Map<number, string>();
  private records = 0;

  constructor(
    private readonly group: Group,
    readonly nodeId: number,
  ) {
    const life = `n${nodeId}`;
    this.core = new ReplicaCore({ life, quorum: false, patienceMs: 1000, merges: true, base: null }, this);
    this.core.connected({ nodeId, pid: 1 });
  }

  submit(word: string): void {
    this.submitted.set(this.core.submit(Buffer.from(word)), word);
  }

  next(): boolean {
    const event = this.deaf ? undefined : this.inbox.shift();
    event?.();
    if (event !== undefined) this.core.persisted(this.records);
    return event !== undefined;
  }

  send(message: ReplicaMessage): void {
    if (this.holds(message)) this.held.push(message);
    else this.group.send(this, message);
  }

  /** What was held leaves, and what follows does so at once. */
  release(): void {
    this.holds = () => false;
    for (const message of this.held.splice(0)) this.group.send(this, message);
  }

  apply({ kind, payload }: Entry, _place: OrderPlace, own: number | null): void {
    const text = Buffer.from(payload).toString();
    if (kind === 'command') this.words.add(text);
    if (kind === 'merge') for (const word of JSON.parse(text) as string[]) this.words.add(word);
    if (own !== null) this.applied(own);
  }

  applied(own: number): void {
    this.confirmed.push(this.submitted.get(own) ?? '');
  }

  snapshot(): Uint8Array {
    return Buffer.from(JSON.stringify([...this.words]));
  }

  restore(snapshot: Uint8Array): void {
    this.words.clear();
    for (const word of JSON.parse(Buffer.from(snapshot).toString()) as string[]) this.words.add(word);
  }

  persist(_record: PersistRecord): void {
    this.records++;
  }

  stateChanged(): void {}
  digestOf(): void {}
}

/** Rings of programs, which hear the same messages in the same order, as far as they hear them. */
class Group {
  private readonly programs: readonly Program[];
  private rings: (readonly Program[])[] = [];
  private seq = 0;

  constructor(count: number) {
    this.programs = Array.from({ length: count }, (_, at) => new Program(this, at + 1));
  }

  of(nodeId: number): Program {
    return this.programs[nodeId - 1]!;
  }

  /** What somebody has not heard of the ring before, he does not hear. */
  form(...nodeIds: readonly number[]): void {
    const members = nodeIds.map((nodeId) => ({ nodeId, pid: 1 }));
    const ring = { seq: ++this.seq, rep: nodeIds[0]! };
    const programs = nodeIds.map((nodeId) => this.of(nodeId));
    this.rings = [...this.rings.filter((old) => !old.some((program) => programs.includes(program))), programs];
    for (const program of programs) {
      program.deaf = false;
      program.inbox.length = 0;
      program.inbox.push(
        () => program.core.membership(members),
        () => program.core.ringChanged(ring),
      );
    }
  }

  send(from: Program, message: ReplicaMessage): void {
    const ring = this.rings.find((programs) => programs.includes(from)) ?? [];
    for (const { core, inbox } of ring) inbox.push(() => core.message({ nodeId: from.nodeId, pid: 1 }, message));
  }

  settle(): void {
    let heard: number;
    do heard = this.programs.filter((program) => program.next()).length;
    while (heard > 0);
  }
}

/** Twice half of the time that members wait for each other. */
function losePatience({ core }: Program): void {
  for (const nowMs of [0, 500, 1000]) core.tick(nowMs);
}

t.test('a member that others left out hands over the state of its part when it is back', async (t) => {
  const group = new Group(3);
  const [one, two, three] = [group.of(1), group.of(2), group.of(3)];
  group.form(1);
  group.form(2);
  one.submit('of one');
  two.submit('of two');
  group.settle();
  t.same([one.confirmed, two.confirmed], [['of one'], ['of two']], 'two parts go on by themselves');

  two.holds = () => true;
  group.form(1, 2, 3);
  group.settle();
  losePatience(one);
  group.settle();
  t.same([...three.words], ['of one'], 'the others go on without it, and one of them is given their state');
  t.same([...two.words], ['of two'], 'which is not for who has one that they have not seen');

  two.release();
  group.settle();
  for (const { core, words, nodeId } of [one, two, three]) {
    t.equal(core.currentState, 'active');
    t.same([...words].sort(), ['of one', 'of two'], `node ${nodeId}`);
  }
});

t.test('of a part the member hands its state over that has all that was confirmed there', async (t) => {
  const group = new Group(5);
  const [one, two, three] = [group.of(1), group.of(2), group.of(3)];
  group.form(3, 4, 5);
  three.submit('of the others');
  group.form(2);
  two.submit('early');
  group.settle();

  one.holds = ({ type }) => type === 'ready';
  group.form(1, 2);
  group.settle();
  t.same([...one.words], ['early'], 'it has the state, and nobody knows yet that it has');
  one.deaf = true;
  two.submit('late');
  group.settle();
  t.same(two.confirmed, ['early', 'late'], 'so nobody waits for it');
  t.notOk(one.words.has('late'));

  one.holds = () => false;
  group.form(1, 2, 3, 4, 5);
  group.settle();
  for (const nodeId of [1, 2, 3, 4, 5]) {
    const { core, words } = group.of(nodeId);
    t.equal(core.currentState, 'active');
    t.same([...words].sort(), ['early', 'late', 'of the others'], `node ${nodeId}`);
  }
});
