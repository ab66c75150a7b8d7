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
