import t from 'tap';
import { CsError } from '../../../src/lib/errors.ts';
import {
  CPG_EXEC_MCAST,
  CPG_ITERATION_FINALIZE,
  CPG_ITERATION_INIT,
  CPG_ITERATION_INIT_RESPONSE,
  CPG_ITERATION_NEXT,
  CPG_ITERATION_NEXT_RESPONSE,
  CPG_LOCAL_GET,
  CPG_LOCAL_GET_RESPONSE,
  CPG_MEMBERSHIP,
  CPG_MEMBERSHIP_RESPONSE,
  CPG_PARTIAL_MCAST,
  CPG_ZC_EXECUTE,
} from '../../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../../src/services/codec/fields.ts';
import { name, ToyCluster } from './toy-cluster.ts';

t.test('join, messages, leave', async (t) => {
  const cluster = new ToyCluster();
  const [one, two] = cluster.start(1, 2);
  const a = one!.client(100);
  const b = two!.client(200);
  t.equal(a.join('grp', 1), CsError.OK);
  t.equal(a.join('grp'), CsError.EXIST, 'same connection');
  t.equal(a.join('other'), CsError.EXIST, 'a connection is in one group');
  t.equal(a.leave('grp'), CsError.BUSY, 'not while the join is on its way');
  t.equal(a.mcast('early'), 'done', 'may send at once');
  cluster.run();
  t.same(a.events, ['grp [1:100] +[1:100!1] -[]', 'totem 1.5 [1,2]', 'grp 1:100 "early"']);
  t.equal(b.join('grp'), CsError.OK);
  t.equal(b.mcast('hello'), 'done');
  cluster.run();
  t.same(a.events.slice(3), ['grp [1:100 2:200] +[2:200!1] -[]', 'grp 2:200 "hello"']);
  t.same(b.events, ['grp [1:100 2:200] +[2:200!1] -[]', 'grp 2:200 "hello"'], 'no flag, no Totem event');
  t.equal(b.leave('grp'), CsError.OK);
  t.equal(b.mcast('dropped silently'), 'done');
  cluster.run();
  t.same(a.events.slice(5), ['grp [1:100] +[] -[2:200!2]']);
  t.same(b.events.slice(2), ['grp [1:100] +[] -[2:200!2]'], 'its own leave too');
  a.mcast('after');
  cluster.run();
  t.same(b.events.slice(3), ['grp 1:100 "after"'], 'leave is terminal, events go on, as in stock');
  t.equal(b.join('grp'), CsError.EXIST);
  t.equal(b.join('else'), CsError.BUSY);
  t.equal(b.leave('grp'), CsError.NOT_EXIST);
  b.close();
  cluster.run();
  t.equal(a.events.at(-1), 'grp 1:100 "after"', 'no second leave');
});

t.test('a former connection that hung up is not in the way of a join', async (t) => {
  const [one] = new ToyCluster().start(1);
  const { cluster } = one!;
  const former = one!.client(100);
  t.equal(former.join('grp'), CsError.OK);
  cluster.run();
  const next = one!.client(100);
  former.hungUp = true;
  t.equal(next.join('grp'), -1, 'what the former one left behind comes first');
  former.close();
  t.equal(next.join('grp'), CsError.TRY_AGAIN, 'then its leave travels');
  cluster.run();
  t.equal(next.join('grp'), CsError.OK);
  next.hungUp = true;
  t.equal(next.join('grp'), CsError.EXIST, 'a connection does not wait for itself');
});

t.test('who is a member is by node, pid and group', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const a = one!.client(100);
  const again = one!.client(100);
  t.equal(a.join('grp'), CsError.OK);
  t.equal(again.join('grp'), CsError.EXIST);
  t.equal(again.join('two'), CsError.OK);
  cluster.run();
  a.close();
  const third = one!.client(100);
  t.equal(third.join('grp'), CsError.TRY_AGAIN, 'the leave is not delivered yet');
  cluster.run();
  t.equal(third.join('grp'), CsError.OK);
  t.equal(third.join('x'.repeat(129)), CsError.NAME_TOO_LONG);
  cluster.run();
  t.same(third.events, ['grp [1:100] +[1:100!1] -[]']);
});

t.test('a connection that goes leaves its group, however long the queue is full', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const a = one!.client(100);
  const b = one!.client(101);
  a.join('grp');
  b.join('grp');
  cluster.run();
  one!.full = true;
  a.close();
  t.ok(one!.cpg.needsRetry);
  t.equal(b.mcast('x'), 'wait', 'the leave goes first');
  t.equal(b.leave('grp'), -1);
  cluster.run();
  one!.full = false;
  cluster.run();
  t.notOk(one!.cpg.needsRetry);
  t.same(b.events.slice(1), ['grp [1:101] +[] -[1:100!5]']);
  b.finalize();
  b.close();
  cluster.run();
  t.equal(one!.cpg.membership.processes.all.length, 0);
  t.equal(one!.cpg.membership.groups.size, 0, 'groups do not pile up');
});

t.test('the initial Totem configuration comes with the next notify of any group', async (t) => {
  const cluster = new ToyCluster();
  const [one, two] = cluster.start(1, 2);
  const other = two!.client(7);
  other.join('other');
  const a = one!.client(100);
  a.join('grp', 1);
  cluster.run();
  t.same(a.events, ['totem 1.5 [1,2]', 'grp [1:100] +[1:100!1] -[]']);
});

t.test('a message needs a process of its node in the group; names are octets', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const a = one!.client(100);
  a.join('a\0b');
  cluster.run();
  const mcast = (from: number, group: string, messageBytes = 2): void => {
    const message = CPG_EXEC_MCAST.message(
      { group: groupNameValue(name(group)), pid: 5, messageBytes, source: { nodeId: from, conn: 0n } },
      name('hi'),
    );
    one!.deliver(from, 'a', message);
  };
  mcast(2, 'a\0b');
  mcast(1, 'a\0c');
  mcast(1, 'a\0b', 3);
  mcast(1, 'a\0b');
  t.same(a.events.slice(1), ['a\0b 1:5 "hi"']);
  t.same(one!.dropped, ['senderNotInGroup', 'badLength']);
});

t.test('a full event ring: the same bytes go through the queue', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const fast = one!.client(1);
  const slow = one!.client(2);
  fast.join('grp');
  slow.join('grp');
  cluster.run();
  slow.ringFree = false;
  fast.mcast('x'.repeat(500));
  cluster.run();
  t.same(slow.raw.at(-1), fast.raw.at(-1));
});

t.test('events that wait are written where they wait, and show nothing of what was there', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const fast = one!.client(1);
  const slow = [one!.client(2), one!.client(3)];
  for (const client of [fast, ...slow]) client.join('grp');
  cluster.run();
  for (const client of slow) client.ringFree = false;
  for (const text of ['x'.repeat(500), 'y'.repeat(60)]) fast.mcast(text);
  fast.call(CPG_PARTIAL_MCAST.message({ messageBytes: 6, fragmentBytes: 3, type: 1 }, name('abc')));
  fast.mcast('z'.repeat(100_000));
  cluster.run();
  for (const client of slow) {
    t.same(client.events.slice(-4), fast.events.slice(-4));
    const fragment = client.raw.at(-2)!;
    for (const gap of [164, 172, 180, 188, 196])
      t.same(fragment.slice(gap, gap + 4), new Uint8Array(4), `gap at ${gap}`);
  }
  slow[0]!.refuses = true;
  const before = slow[0]!.events.length;
  fast.mcast('w');
  cluster.run();
  t.same(
    [slow[0]!.events.length, slow[1]!.events.at(-1)],
    [before, fast.events.at(-1)],
    'one that is gone holds up nobody',
  );
});

t.test('fragments', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const a = one!.client(100);
  const part = (type: number, data: string, fragmentBytes = data.length): number =>
    a.call(CPG_PARTIAL_MCAST.message({ messageBytes: 6, fragmentBytes, type }, name(data)));
  t.equal(part(1, 'abc'), CsError.NOT_EXIST);
  a.join('grp');
  cluster.run();
  t.equal(part(1, 'abc'), CsError.OK);
  t.equal(part(3, 'def'), CsError.OK);
  t.equal(part(3, 'def', 4), CsError.INVALID_PARAM);
  cluster.run();
  t.same(a.events.slice(1), ['grp 1:100 part 1 of 6 "abc"', 'grp 1:100 part 3 of 6 "def"']);
  t.equal(part(1, 'abc'), CsError.OK);
  one!.client(101).join('grp');
  cluster.run();
  t.equal(part(2, 'd'), CsError.INTERRUPT, 'the membership changed in between');
  t.equal(part(1, 'abc'), CsError.OK);
});

t.test('queries', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  for (const [pid, group] of [
    [1, 'a'],
    [2, 'b'],
    [3, 'a'],
    [4, 'a'],
  ] as const)
    one!.client(pid).join(group);
  cluster.run();
  const asker = one!.client(9);
  const get = (group: string) => {
    asker.call(CPG_MEMBERSHIP.message({ group: groupNameValue(name(group)) }));
    const response = asker.responses.at(-1)!.bytes;
    t.equal(response.length, 9248);
    const { memberCount, members } = CPG_MEMBERSHIP_RESPONSE.decode(response)!;
    return members.slice(0, memberCount).map(({ pid }) => pid);
  };
  t.same(get('a'), [1, 3, 4]);
  t.same(get('none'), []);
  asker.call(CPG_LOCAL_GET.message());
  t.equal(CPG_LOCAL_GET_RESPONSE.decode(asker.responses.at(-1)!.bytes)!.nodeId, 1);

  const iterate = (iterationType: number, group = ''): string[] => {
    asker.call(CPG_ITERATION_INIT.message({ iterationType, group: groupNameValue(name(group)) }));
    const { handle } = CPG_ITERATION_INIT_RESPONSE.decode(asker.responses.at(-1)!.bytes)!;
    const found: string[] = [];
    while (asker.call(CPG_ITERATION_NEXT.message({ handle })) === CsError.OK) {
      const { group: at, nodeId, pid } = CPG_ITERATION_NEXT_RESPONSE.decode(asker.responses.at(-1)!.bytes)!;
      found.push(`${Buffer.from(at.bytes)} ${nodeId}:${pid}`);
    }
    t.equal(asker.responses.at(-1)!.error, CsError.NO_SECTIONS);
    t.equal(asker.call(CPG_ITERATION_NEXT.message({ handle })), found.length > 0 ? CsError.OK : CsError.NO_SECTIONS);
    t.equal(asker.call(CPG_ITERATION_FINALIZE.message({ handle })), CsError.OK);
    t.equal(asker.call(CPG_ITERATION_FINALIZE.message({ handle })), CsError.LIBRARY);
    return found;
  };
  t.same(iterate(1), ['b 0:0', 'a 0:0']);
  t.same(iterate(2, 'a'), ['a 1:1', 'a 1:4', 'a 1:3']);
  t.same(iterate(3), ['b 1:2', 'a 1:1', 'a 1:4', 'a 1:3']);
  t.equal(asker.call(CPG_ITERATION_INIT.message({ iterationType: 4 })), CsError.INVALID_PARAM);
});

t.test('the gate', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const a = one!.client(100);
  const unknown = CPG_LOCAL_GET.message();
  unknown[0] = 13;
  t.equal(a.call(unknown), CsError.INVALID_PARAM);
  t.match(a.responses.at(-1), { id: 0, error: CsError.INVALID_PARAM });
  t.equal(a.responses.at(-1)!.bytes.length, 24);
  cluster.ring([1]);
  t.equal(a.join('grp'), CsError.TRY_AGAIN, 'a connection made during sync');
  t.equal(a.mcast('x'), 'wait');
  t.equal(a.call(CPG_LOCAL_GET.message()), CsError.OK);
  cluster.run();
  one!.full = true;
  t.equal(a.join('grp'), -1);
  one!.full = false;
  t.equal(a.join('grp'), CsError.OK);
  t.equal(a.call(new Uint8Array(16).fill(0, 4)), CsError.INVALID_PARAM, 'a join of 16 bytes');
});

t.test('zero copy', async (t) => {
  const cluster = new ToyCluster();
  const [one] = cluster.start(1);
  const a = one!.client(100);
  cluster.zeroCopy.read = (_id, token) => (token === 77n ? name('zero') : null);
  t.equal(a.call(CPG_ZC_EXECUTE.message({ token: 77n })), CsError.NOT_EXIST);
  a.join('grp');
  cluster.run();
  t.equal(a.call(CPG_ZC_EXECUTE.message({ token: 78n })), CsError.INVALID_PARAM);
  t.equal(a.call(CPG_ZC_EXECUTE.message({ token: 77n })), CsError.OK);
  cluster.run();
  t.equal(a.events.at(-1), 'grp 1:100 "zero"');
});
