import fc from 'fast-check';
import t from 'tap';
import { CPG_EXEC_MCAST, CPG_EXEC_PARTIAL_MCAST, encodeJoinList } from '../../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../../src/services/codec/fields.ts';
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
