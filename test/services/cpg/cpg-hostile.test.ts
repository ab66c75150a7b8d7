import fc from 'fast-check';
import t from 'tap';
import { CPG_EXEC_MCAST, CPG_EXEC_PARTIAL_MCAST, encodeJoinList } from '../../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../../src/services/codec/fields.ts';
import { GroupTable } from '../../../src/services/cpg/cpg-groups.ts';
import { PROCESSES_MAX, ProcessList } from '../../../src/services/cpg/cpg-processes.ts';
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

t.test('a peer with as many processes as there can be: they come and go without stopping the node', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1, 2);
  const group = groupNameValue(name('crowd'));
  const list = (from: number, count: number): Uint8Array =>
    encodeJoinList(Array.from({ length: count }, (_, index) => ({ pid: from + index, group })));
  cluster.ring([1, 2], () => [1, 2]);
  const message = list(0, PROCESSES_MAX);
  one!.deliver(2, 'a', message);
  one!.deliver(2, 'a', message);
  t.same(one!.dropped, ['tooMany'], 'more is refused');
  cluster.run();
  const count = one!.cpg.membership.processes.all.length;
  t.ok(count === PROCESSES_MAX || count === 0, 'its own down list may have come after the list');
  one!.cpg.membership.processes.removeNodes(new Set([2]));
  t.same(one!.cpg.describe(), []);
  t.equal(one!.cpg.membership.groups.size, 0);
});

t.test('the process list against a plain one', async () => {
  const key = fc.record({ nodeId: fc.integer({ min: 1, max: 3 }), pid: fc.nat({ max: 5 }), group: fc.nat({ max: 2 }) });
  const step = fc.oneof(
    key.map((value) => ({ ...value, kind: 'insert' as const })),
    key.map((value) => ({ ...value, kind: 'remove' as const })),
    key.map((value) => ({ ...value, kind: 'removeNode' as const })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const groups = new GroupTable();
      const processes = new ProcessList(groups);
      let plain: { nodeId: number; pid: number; group: number }[] = [];
      const same = (a: { nodeId: number; pid: number; group: number }) => (b: typeof a) =>
        a.nodeId === b.nodeId && a.pid === b.pid && a.group === b.group;
      for (const { kind, ...entry } of steps) {
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
