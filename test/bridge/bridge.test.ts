import t from 'tap';
import { MainBridge } from '../../src/bridge/main-bridge.ts';
import type { FromRing } from '../../src/bridge/messages.ts';
import { RingBridge } from '../../src/bridge/ring-bridge.ts';
import { allocateShared, StateWord } from '../../src/bridge/shared-layout.ts';
import { LINES_AT_ONCE } from '../../src/lib/line-limit.ts';

function pair() {
  const shared = allocateShared();
  const rung = { main: 0, ring: 0 };
  const main = new MainBridge(shared, () => rung.ring++);
  const ring = new RingBridge(shared, () => rung.main++);
  const messages: FromRing[] = [];
  const delivered: { nodeId: number; bytes: Uint8Array }[] = [];
  const handler = {
    message: (message: FromRing) => void messages.push(message),
    deliver: (nodeId: number, payload: Uint8Array) => void delivered.push({ nodeId, bytes: payload.slice() }),
  };
  return { main, ring, rung, messages, delivered, handler };
}

t.test('messages and deliveries arrive in order; one doorbell per sleep', async (t) => {
  const { main, ring, rung, messages, delivered, handler } = pair();
  t.equal(main.drain(handler), false);
  ring.send({ op: 'ready' });
  ring.deliver(7, new Uint8Array([9, 1, 2, 3, 9]), 1, 3);
  ring.log('notice', 'TOTEM', 'hello');
  t.equal(rung.main, 1, 'only the first record rings');
  t.equal(main.drain(handler), false);
  t.same(messages, [{ op: 'ready' }, { op: 'log', level: 'notice', subsystem: 'TOTEM', message: 'hello' }]);
  t.same(delivered, [{ nodeId: 7, bytes: new Uint8Array([1, 2, 3]) }]);

  t.ok(ring.prepareSleep());
  main.send({ op: 'servicesLoaded' });
  main.mcast(3, 1, new Uint8Array(20));
  await null; // multicasts of one go are shown together
  t.equal(rung.ring, 1);
  ring.awake();
  t.ok(ring.reader.peek());
  ring.reader.release();
  t.notOk(ring.prepareSleep(), 'not while a record waits');
  t.ok(ring.reader.peek());
  t.equal(ring.reader.argument, (3 << 16) | 1);
});

t.test('lines of the ring thread are limited before they cost a record', async (t) => {
  const { main, ring, messages, handler } = pair();
  for (let at = 0; at < 3000; at++) {
    ring.log('warning', 'TOTEM', `Message dropped: BAD_MAGIC ${at}`);
    main.drain(handler);
  }
  t.ok(messages.length < LINES_AT_ONCE + 10, `${messages.length} records`);
  ring.limit.report();
  while (main.drain(handler));
  t.match(messages.at(-1), { op: 'log', message: /^2\d{3} more lines like this one were not logged/ });
});

t.test('a main thread that does not read loses nothing but logs', async (t) => {
  const { main, ring, delivered, handler } = pair();
  const bytes = new Uint8Array(1 << 20);
  let sent = 0;
  while (!ring.isSaturated()) {
    bytes[0] = sent & 0xff;
    ring.deliver(sent++, bytes, 0, bytes.length);
  }
  ring.log('info', 'TOTEM', 'lost');
  t.equal(ring.logsDropped, 1);
  while (delivered.length < sent) {
    main.drain(handler);
    ring.flush();
  }
  t.notOk(ring.isSaturated());
  t.ok(delivered.every(({ nodeId, bytes }, index) => nodeId === index && bytes[0] === (index & 0xff)));
});

t.test(
  'a ring thread that does not read: control messages wait, mcast is refused, both go on afterwards',
  async (t) => {
    const { main, ring, rung, handler } = pair();
    const bytes = new Uint8Array(1 << 20);
    let sent = 0;
    while (main.mcast(1, 0, bytes)) sent++;
    await null;
    const large = 'x'.repeat(1 << 20);
    main.send({ op: 'clientAttach', client: { processName: large } as never });
    main.send({ op: 'stop' });
    t.equal(main.mcast(1, 0, new Uint8Array(16)), false, 'not past a waiting control message');
    for (let index = 0; index < sent; index++) {
      t.ok(ring.reader.peek());
      ring.reader.release();
    }
    ring.recordsRead();
    t.equal(rung.main, 1);
    main.drain(handler);
    t.ok(ring.reader.peek());
    ring.reader.release();
    t.ok(ring.reader.peek());
    t.equal(ring.reader.payloadLength, '{"op":"stop"}'.length);
  },
);

t.test('what is multicast in one go is seen in one go', async (t) => {
  const { main, ring, rung } = pair();
  t.ok(ring.prepareSleep());
  for (const fn of [1, 2]) {
    t.ok(main.mcast(5, fn, new Uint8Array(20)));
    t.ok(ring.reader.isEmpty(), 'no token comes between the votes of a node and those of its device');
  }
  await null;
  t.equal(rung.ring, 1, 'one doorbell');
  for (const fn of [1, 2]) {
    t.ok(ring.reader.peek());
    t.equal(ring.reader.argument, (5 << 16) | fn);
    ring.reader.release();
  }
  main.mcast(5, 3, new Uint8Array(20));
  main.send({ op: 'stop' });
  t.ok(ring.reader.peek());
  t.equal(ring.reader.argument, (5 << 16) | 3, 'a control message shows what was multicast before it, in order');
});

t.test('room follows what the ring thread published', async (t) => {
  const { main, ring } = pair();
  const { state } = ring.views;
  state[StateWord.QUEUE_PACKET_BYTES] = 1386;
  state[StateWord.QUEUE_FREE] = 2;
  t.ok(main.roomFor(2000));
  t.notOk(main.roomFor(2 * 1386));
  t.notOk(main.mcast(1, 0, new Uint8Array(2 * 1386)));
});

t.test('a response that is longer than the ring takes becomes an empty one', async (t) => {
  const { main, ring, messages, handler } = pair();
  ring.send({ op: 'queryResult', queryId: 5, value: 'x'.repeat(9 << 20) });
  main.drain(handler);
  t.same(messages, [{ op: 'queryResult', queryId: 5, value: null }]);
});

t.test('many small records that wait keep their order', async (t) => {
  const { main, ring, delivered, handler } = pair();
  const bytes = new Uint8Array(64);
  let sent = 0;
  while (!ring.isSaturated()) ring.deliver(sent++, bytes, 0, bytes.length);
  while (delivered.length < sent) {
    main.drain(handler);
    ring.flush();
    if (delivered.length < sent / 2) ring.deliver(sent++, bytes, 0, bytes.length);
  }
  t.ok(delivered.every(({ nodeId }, index) => nodeId === index));
  t.ok(ring.flush());
});
