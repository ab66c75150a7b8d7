import { mock } from 'node:test';
import t from 'tap';
import { ConnectionError } from '../../src/client/errors.ts';
import { MessageQueue } from '../../src/client/message-queue.ts';

t.test('what waits for room leaves when something came from the daemon, before its pause is over', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] }); // no pause is ever over
  t.teardown(() => mock.timers.reset());
  let room = false;
  const left: number[] = [];
  const session = { timeoutMs: 10_000, late: () => new ConnectionError('RONDO_TIMEOUT', 'late') };
  const queue = new MessageQueue(session, {
    post: (data) => {
      if (room) left.push(data[0]!);
      return room;
    },
    fitsAtOnce: () => true,
    sendInPieces: () => Promise.reject(new Error('not asked for')),
  });
  const sent = Promise.all([1, 2].map((byte) => queue.add(new Uint8Array([byte]), undefined)));
  await new Promise(setImmediate);
  queue.wake();
  await new Promise(setImmediate);
  t.same(left, [], 'no room yet');
  t.ok(queue.busy);
  room = true;
  queue.wake();
  await sent;
  t.same(left, [1, 2]);
  await queue.drained();
  t.notOk(queue.busy);
});

t.test('many that wait leave in several turns of the loop, however fast the daemon takes them', async (t) => {
  const session = { timeoutMs: 10_000, late: () => new ConnectionError('RONDO_TIMEOUT', 'late') };
  const queue = new MessageQueue(session, {
    post: () => {
      for (const endMs = performance.now() + 0.1; performance.now() < endMs; );
      return true;
    },
    fitsAtOnce: () => true,
    sendInPieces: () => Promise.reject(new Error('not asked for')),
  });
  const messages = Array.from({ length: 200 }, () => queue.add(new Uint8Array(1), undefined));
  let turns = 0;
  const count = (): void => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  await Promise.all(messages);
  clearImmediate(next);
  t.ok(turns >= 5, `20 ms of work in ${turns + 1} turns`);
});
