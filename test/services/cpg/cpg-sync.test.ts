import fc from 'fast-check';
import t from 'tap';
import { encodeJoinList } from '../../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../../src/services/codec/fields.ts';
import { ToyCluster } from './toy-cluster.ts';

t.test('a merge: node-up joins in reverse order of arrival, groups by name, then the Totem event', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const [two] = cluster.start(2);
  cluster.ring([1]);
  cluster.run();
  const a = one!.client(100);
  a.join('grp');
  cluster.run();
  cluster.ring([2]);
  cluster.run();
  for (const [pid, group] of [
    [7, 'grp'],
    [8, 'grp'],
    [9, 'alpha'],
  ] as const)
    two!.client(pid).join(group);
  cluster.run();
  a.events.length = 0;
  cluster.ring([1, 2], (id) => [id]);
  cluster.run();
  t.same(a.events, ['grp [1:100 2:7 2:8] +[2:8!4 2:7!4] -[]', 'totem 1.21 [1,2]']);
  t.same(two!.clients[0]!.events.slice(-2), ['grp [1:100 2:7 2:8] +[1:100!4] -[]', 'totem 1.21 [1,2]']);
});

t.test('a node that goes: one event a group, all removals first', async (t) => {
  const cluster = new ToyCluster();
  const [one, two] = cluster.start(1, 2);
  const a = one!.client(1);
  const b = one!.client(2);
  a.join('x');
  b.join('y');
  for (const [pid, group] of [
    [5, 'x'],
    [6, 'y'],
    [7, 'x'],
  ] as const)
    two!.client(pid).join(group);
  cluster.run();
  a.events.length = 0;
  b.events.length = 0;
  cluster.ring([1]);
  cluster.run();
  t.same(a.events, ['x [1:1] +[] -[2:5!3 2:7!3]', 'totem 1.9 [1]']);
  t.same(b.events, ['y [1:2] +[] -[2:6!3]', 'totem 1.9 [1]']);
});

t.test('a node that restarted: down and up in one sync', async (t) => {
  const cluster = new ToyCluster();
  const [one, two] = cluster.start(1, 2);
  const a = one!.client(1);
  a.join('x');
  two!.client(5).join('x');
  cluster.run();
  a.events.length = 0;
  cluster.nodes.delete(2);
  const [again] = cluster.start(2);
  again!.client(6).join('x');
  cluster.run();
  cluster.ring([1, 2], (id) => [id]);
  cluster.run();
  t.same(a.events.slice(0, 2), ['x [1:1] +[] -[2:5!3]', 'x [1:1 2:6] +[2:6!4] -[]']);
});

t.test('a process whose leave was lost with its ring is removed as a zombie', async (t) => {
  const cluster = new ToyCluster();
  const [one, two] = cluster.start(1, 2);
  const a = one!.client(1);
  a.join('x');
  const b = two!.client(5);
  b.join('x');
  cluster.run();
  a.events.length = 0;
  // Node 2 delivers its leave, node 1 does not: as after a ring that broke in between.
  b.close();
  const leave = cluster.log.shift()!;
  two!.deliver(leave.from, leave.group, leave.message);
  cluster.ring([1, 2]);
  cluster.run();
  t.same(a.events, ['x [1:1] +[] -[2:5!5]', 'totem 1.9 [1,2]']);
});

t.test('what an aborted round left does not bring back the dead', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const [two] = cluster.start(2);
  cluster.ring([1]);
  cluster.run();
  const a = one!.client(1);
  a.join('x');
  cluster.run();
  cluster.ring([2]);
  cluster.run();
  const b = two!.client(5);
  b.join('x');
  cluster.run();
  a.events.length = 0;
  cluster.ring([1, 2], (id) => [id]);
  for (let i = 0; i < 5; i++) cluster.deliverOne(); // builds, down lists and a join list
  b.close(); // while the sync runs
  cluster.ring([1, 2], () => [1, 2]);
  cluster.run();
  // Its leave follows the end of the sync, behind all that it had sent: it comes and goes, and is not seen again.
  t.same(
    a.events.filter((event) => event.includes('2:5!')),
    ['x [1:1 2:5] +[2:5!4] -[]', 'x [1:1] +[] -[2:5!5]'],
  );
  t.equal(one!.cpg.membership.processes.all.length, 1);
});

t.test('all nodes end with the same process list, which is the truth', async () => {
  const action = fc.record({
    kind: fc.constantFrom('join', 'close', 'ring', 'deliver'),
    node: fc.nat(2),
    pick: fc.nat(30),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const cluster = new ToyCluster();
      const nodes = cluster.start(1, 2, 3);
      let pid = 100;
      for (const { kind, node: index, pick } of actions) {
        const node = nodes[index]!;
        if (kind === 'join') node.client(pid++).join(`g${pick % 3}`);
        else if (kind === 'close') node.clients[pick % Math.max(1, node.clients.length)]?.close();
        else if (kind === 'ring') cluster.ring([1, 2, 3]);
        else for (let i = 0; i < pick; i++) cluster.deliverOne();
      }
      cluster.run();
      cluster.ring([1, 2, 3]);
      cluster.run();
      const truth = nodes
        .flatMap((node) =>
          node.clients.filter(({ connection }) => connection.group !== null).map((c) => `${node.id}:${c.pid}`),
        )
        .sort();
      return nodes.every(({ cpg }) => {
        const listed = cpg.membership.processes.all.map(({ nodeId, pid: id }) => `${nodeId}:${id}`).sort();
        return listed.join() === truth.join();
      });
    }),
    { numRuns: 100 },
  );
});

t.test('join lists outside of a sync are not kept', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1, 2);
  const group = groupNameValue(new TextEncoder().encode('ghost'));
  one!.deliver(2, 'a', encodeJoinList([{ pid: 4, group }]));
  t.same(one!.dropped, ['unexpected']);
  cluster.ring([1, 2], () => [1, 2]);
  cluster.run();
  t.same(one!.cpg.describe(), []);
});
