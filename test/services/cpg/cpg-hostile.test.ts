import fc from 'fast-check';
import t from 'tap';
import { CsError } from '../../../src/lib/errors.ts';
import { CPG_EXEC_MCAST, CPG_EXEC_PARTIAL_MCAST, encodeJoinList } from '../../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../../src/services/codec/fields.ts';
import { type CpgGroup, CpgGroupTable } from '../../../src/services/cpg/cpg-groups.ts';
import { IterationType, iterationSnapshot } from '../../../src/services/cpg/cpg-iteration.ts';
import { CPG_LIMITS } from '../../../src/services/cpg/cpg-limits.ts';
import { ProcessList } from '../../../src/services/cpg/cpg-processes.ts';
import { name, ToyCluster } from './toy-cluster.ts';

const RUNS = 3000;

/** A well-formed message of every function, to be mutated. */
const templates: readonly Uint8Array[] = [
  ...[0, 1].map(() => new Uint8Array(168)),
  encodeJoinList([{ pid: 7, group: groupNameValue(name('grp')) }]),
  CPG_EXEC_MCAST.message({ group: groupNameValue(name('grp')), messageBytes: 10, pid: 5 }, new Uint8Array(10)),
  new Uint8Array(1560),
  new Uint8Array(1568),
  CPG_EXEC_PARTIAL_MCAST.message(
    { group: groupNameValue(name('grp')), messageBytes: 10, fragmentBytes: 10, pid: 5, type: 1 },
    new Uint8Array(10),
  ),
];

const mutation = fc.record({
  fn: fc.nat({ max: 8 }),
  cut: fc.nat({ max: 2000 }),
  changes: fc.array(fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 255 })), { maxLength: 8 }),
});

t.test('no bytes from the ring make CPG throw or grow', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const client = one!.client(5);
  client.join('grp');
  cluster.run();
  fc.assert(
    fc.property(mutation, fc.nat({ max: 3 }), ({ fn, cut, changes }, nodeId) => {
      const message = (templates[fn] ?? new Uint8Array(40)).slice(0, cut);
      for (const [at, value] of changes) if (at < message.length) message[at] = value;
      const memory = { bytes: message, view: new DataView(message.buffer) };
      one!.cpg.deliver(fn, nodeId, memory, 0, message.length);
    }),
    { numRuns: RUNS },
  );
  t.ok(one!.cpg.membership.groups.size <= RUNS, 'at most a group a message');
  cluster.ring([1]);
  cluster.run();
  t.notOk(one!.sync.isInProgress(), 'and synchronisation still works');
});

t.test('one user has a bounded share of a group', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  let pid = 1;
  const join = (uid: number, group: string): number => one!.client(pid++, uid).join(group);
  for (let at = 0; at < CPG_LIMITS.groupUserMax; at++) {
    t.equal(join(1000, 'grp'), CsError.OK);
    cluster.run();
  }
  t.equal(join(1000, 'grp'), CsError.NO_RESOURCES);
  t.equal(join(1001, 'grp'), CsError.OK, 'another user has his own');
  t.equal(join(0, 'grp'), CsError.OK, 'and root is not bounded by it');
  t.equal(join(1000, 'other'), CsError.OK);
  cluster.run();
  one!.clients[0]!.close();
  cluster.run();
  t.equal(join(1000, 'grp'), CsError.OK, 'one has left');
});

t.test('no bytes from a client make CPG throw', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const client = one!.client(5);
  client.join('grp');
  cluster.run();
  fc.assert(
    fc.property(fc.integer({ min: -2, max: 14 }), fc.uint8Array({ minLength: 12, maxLength: 400 }), (id, body) => {
      const request = new Uint8Array(4 + body.length);
      new DataView(request.buffer).setInt32(0, id, true);
      request.set(body, 4);
      client.request(request);
      cluster.run();
    }),
    { numRuns: RUNS },
  );
  t.ok(client.connection.iterations.size <= 256);
  client.close();
  cluster.run();
  t.equal(one!.cpg.membership.connections.size, 0);
});

/** A node that lies about its processes: `count` of them from `pid` on, each in a group of its own or all in one. */
function crowd(pid: number, count: number, groups: boolean): Uint8Array {
  const entry = (at: number) => ({ pid: at, group: groupNameValue(name(groups ? `crowd${at}` : 'crowd')) });
  return encodeJoinList(Array.from({ length: count }, (_, at) => entry(pid + at)));
}
/** What goes into one message of Totem. */
const LIST_ENTRIES = 7000;

for (const groups of [false, true]) {
  t.test(
    `a peer with 100,000 processes in ${groups ? 'as many groups' : 'one group'} does not stop the node`,
    async (t) => {
      const cluster = new ToyCluster();
      const [one, two] = cluster.start(1, 2);
      const client = one!.client(10);
      t.equal(client.join('mine'), CsError.OK);
      cluster.run();
      const { processes } = one!.cpg.membership;
      const messages = Array.from({ length: 15 }, (_, at) => crowd(at * LIST_ENTRIES, LIST_ENTRIES, groups));
      cluster.ring([1, 2], () => [1, 2]);
      two!.full = true; // its own lists do not come between
      const startMs = performance.now();
      for (const message of messages) one!.deliver(2, 'a', message);
      const stored = Math.floor(CPG_LIMITS.nodeProcessesMax / LIST_ENTRIES) * LIST_ENTRIES;
      t.equal(one!.dropped.filter((reason) => reason === 'tooMany').length, 13, 'more than a node may have is refused');
      one!.cpg.sync.activate();
      const count = groups ? stored : CPG_LIMITS.groupProcessesMax;
      t.equal(processes.all.length, count + 1);
      t.equal(iterationSnapshot(processes.all, IterationType.ALL, null).length, count + 1);
      one!.cpg.sync.activate(); // the node does not know them any more
      t.equal(processes.all.length, 1);
      t.equal(one!.cpg.membership.groups.size, 1);
      t.comment(`${count} processes came, were listed and went in ${Math.round(performance.now() - startMs)} ms`);
    },
  );
}

t.test('joins beyond the bounds are refused, and a node has its own share', async (t) => {
  const groups = new CpgGroupTable();
  const processes = new ProcessList(groups);
  const add = (nodeId: number, pid: number): boolean => {
    const group = groups.intern(name(`group${pid % 100}`), 0, name(`group${pid % 100}`).length);
    return processes.insert(nodeId, pid, group);
  };
  const taken = (nodeId: number): number => {
    let count = 0;
    for (let pid = 0; pid < 20_000; pid++) if (add(nodeId, pid)) count++;
    return count;
  };
  t.equal(taken(1), CPG_LIMITS.nodeProcessesMax);
  t.notOk(processes.hasRoom(1, null));
  t.ok(processes.hasRoom(2, null));
  t.equal(processes.removeNodes(new Set([1])).length, CPG_LIMITS.nodeProcessesMax);
  t.equal(groups.size, 0);
});

t.test('an iteration of very many processes is made in one pass, in stock’s order', async (t) => {
  const groups = new CpgGroupTable();
  const group = (text: string): CpgGroup => groups.intern(name(text), 0, text.length);
  const processes = ['a', 'b', 'a', 'c', 'a', 'b'].map((text, at) => ({ nodeId: 1, pid: at, group: group(text) }));
  const pids = (type: number, wanted: CpgGroup | null = null): number[] =>
    iterationSnapshot(processes, type, wanted).map(({ pid }) => pid);
  t.same(pids(IterationType.ALL), [3, 1, 5, 0, 4, 2]);
  t.same(pids(IterationType.NAMES), [3, 1, 0]);
  t.same(pids(IterationType.ONE_GROUP, group('a')), [0, 4, 2]);
  const many = Array.from({ length: 200_000 }, (_, pid) => ({ nodeId: 1, pid, group: group(`g${pid % 50_000}`) }));
  const startMs = performance.now();
  t.equal(iterationSnapshot(many, IterationType.ALL, null).length, many.length);
  t.ok(performance.now() - startMs < 10_000, 'quadratic, it takes minutes');
});

t.test('the process list against a plain one', async () => {
  const key = fc.record({ nodeId: fc.integer({ min: 1, max: 3 }), pid: fc.nat({ max: 5 }), group: fc.nat({ max: 2 }) });
  const step = fc.oneof(
    key.map((value) => ({ ...value, kind: 'insert' as const })),
    key.map((value) => ({ ...value, kind: 'remove' as const })),
    key.map((value) => ({ ...value, kind: 'removeNode' as const })),
    fc.array(key, { maxLength: 8 }).map((all) => ({ nodeId: 1, pid: 0, group: 0, all, kind: 'insertAll' as const })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const groups = new CpgGroupTable();
      const processes = new ProcessList(groups);
      let plain: { nodeId: number; pid: number; group: number }[] = [];
      const same = (a: { nodeId: number; pid: number; group: number }) => (b: typeof a) =>
        a.nodeId === b.nodeId && a.pid === b.pid && a.group === b.group;
      for (const step of steps) {
        if (step.kind === 'insertAll') {
          const came = processes.insertAll(
            step.all.map((entry) => ({ ...entry, group: groups.intern(Uint8Array.of(entry.group), 0, 1) })),
          );
          plain.push(...came.map((process) => ({ ...process, group: process.group.name[0]! })));
          continue;
        }
        const { kind, nodeId, pid, group: groupId } = step;
        const entry = { nodeId, pid, group: groupId };
        const group = groups.intern(Uint8Array.of(entry.group), 0, 1);
        if (kind === 'insert') {
          if (processes.insert(entry.nodeId, entry.pid, group)) plain.push(entry);
        } else if (kind === 'remove') {
          processes.remove(entry.nodeId, entry.pid, group);
          plain = plain.filter((other) => !same(entry)(other));
        } else {
          processes.removeNodes(new Set([entry.nodeId]));
          plain = plain.filter(({ nodeId }) => nodeId !== entry.nodeId);
        }
        groups.release(group);
        const sorted = [...plain].sort((a, b) => a.nodeId - b.nodeId || a.pid - b.pid);
        const got = processes.all.map(({ nodeId, pid, group: { name: of } }) => ({ nodeId, pid, group: of[0]! }));
        if (JSON.stringify(got) !== JSON.stringify(sorted)) throw new Error('the lists differ');
        if (groups.size !== new Set(plain.map((one) => one.group)).size) throw new Error('the groups differ');
      }
    }),
    { numRuns: 500 },
  );
});
