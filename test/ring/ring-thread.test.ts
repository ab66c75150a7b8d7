import { readFileSync } from 'node:fs';
import t from 'tap';
import { TestRing, testPort, totemConfig } from './ring-harness.ts';

t.test('a ring of one', async (t) => {
  const one = new TestRing();
  one.start(totemConfig(1, 1, testPort(0)));
  await one.synced([1]);
  t.ok(one.mcast('hello'));
  await one.until('own message', () => one.delivered.length === 1);
  t.same(one.delivered, [{ nodeId: 1, text: 'hello' }]);
  await one.stop();
  t.equal(one.messages.at(-1)?.op, 'stopped');
});

t.test('a message of cpg that this version does not know leaves the line of stock', async (t) => {
  const one = new TestRing();
  one.start(totemConfig(1, 1, testPort(1)));
  await one.synced([1]);
  t.ok(one.mcast('what', 2));
  const logged = () => one.messages.flatMap((message) => (message.op === 'log' ? [message.message] : []));
  await one.until('its line', () => logged().some((line) => /^discarded unknown message 9 for service 2/.test(line)));
  await one.stop();
});

t.test('three nodes: one order, leave and return', async (t) => {
  const rings = [1, 2, 3].map(() => new TestRing());
  const [one, two, three] = rings as [TestRing, TestRing, TestRing];
  for (const [i, ring] of rings.entries()) ring.start(totemConfig(i + 1, 3, testPort(2)));
  await Promise.all(rings.map((ring) => ring.synced([1, 2, 3])));
  const count = 200;
  for (let i = 0; i < count; i++) {
    for (const ring of rings)
      while (!ring.mcast(`m${i} ${'x'.repeat((i * 37) % 4000)}`)) await new Promise(setImmediate);
  }
  await Promise.all(rings.map((ring) => ring.until('all messages', () => ring.delivered.length === 3 * count)));
  t.same(two.delivered, one.delivered);
  t.same(three.delivered, one.delivered);

  await three.stop();
  await Promise.all([one, two].map((ring) => ring.synced([1, 2])));
  const again = new TestRing();
  again.start(totemConfig(3, 3, testPort(2)), [0, 1, 3], 100);
  await Promise.all([one, two, again].map((ring) => ring.synced([1, 2, 3])));
  again.mcast('back');
  await one.until('message of the returned node', () => one.delivered.at(-1)?.text === 'back');
  await Promise.all([one, two, again].map((ring) => ring.stop()));
});

t.test('a start that is refused', async (t) => {
  const one = new TestRing();
  const config = totemConfig(1, 1, testPort(4));
  const links = [{ ...config.links[0]!, bindAddress: '203.0.113.77' }];
  one.start({ ...config, links });
  await one.exited;
  t.match(
    one.messages.find(({ op }) => op === 'fatal'),
    { code: 'RONDO_TRANSPORT_NO_INTERFACE' },
  );
});

t.test('a record of a kind that the ring thread does not know is a bug, and ends it', async (t) => {
  const one = new TestRing();
  one.start(totemConfig(1, 1, testPort(7)));
  await one.synced([1]);
  one.sendUnknownRecord();
  await one.exited;
  t.match(
    one.messages.find(({ op }) => op === 'fatal'),
    { message: /unknown record from the main thread/ },
  );
});

t.test('frames in locked memory', async (t) => {
  const ring = new TestRing({ lockMemory: true });
  ring.start(totemConfig(1, 1, testPort(6)));
  await ring.synced([1]);
  const locked = Number(/^VmLck:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);
  const refused = ring.messages.some((message) => message.op === 'log' && message.message.includes('Could not lock'));
  t.ok(locked > 100_000 || refused, 'locked, or the log has why not');
  await ring.stop();
});
