import t from 'tap';
import { EventStream } from '../../src/client/event-stream.ts';

const hooks = () => {
  const calls: string[] = [];
  return {
    calls,
    onFull: () => calls.push('full'),
    onDrained: () => calls.push('drained'),
    onReturn: () => calls.push('return'),
  };
};

t.test('events come in order, also when the reader waits first', async (t) => {
  const stream = new EventStream<number>(100);
  const first = stream.next();
  stream.push(1);
  stream.push(2);
  stream.end();
  t.same(await first, { done: false, value: 1 });
  t.same(await stream.next(), { done: false, value: 2 });
  t.same(await stream.next(), { done: true, value: undefined });
});

t.test('a full stream asks to hold and lets go at half', async (t) => {
  const record = hooks();
  const stream = new EventStream<number>(4, record);
  for (let i = 0; i < 4; i++) stream.push(i);
  t.same(record.calls, ['full']);
  await stream.next();
  t.same(record.calls, ['full']);
  await stream.next();
  t.same(record.calls, ['full', 'drained']);
});

t.test('it says how many events wait', async (t) => {
  const stream = new EventStream<number>(100);
  for (let i = 0; i < 3; i++) stream.push(i);
  await stream.next();
  t.equal(stream.waiting, 2);
});

t.test('everything before a failure is read, then it is thrown once', async (t) => {
  const stream = new EventStream<number>(4);
  stream.push(1);
  stream.fail(new Error('gone'));
  stream.push(2);
  t.same(await stream.next(), { done: false, value: 1 });
  await t.rejects(stream.next(), { message: 'gone' });
  t.same(await stream.next(), { done: true, value: undefined });
});

t.test('leaving a watch ends it; leaving a loop, or its signal, does not end the stream', async (t) => {
  const record = hooks();
  const stream = new EventStream<number>(4, record);
  stream.push(1);
  stream.push(2);
  const abort = new AbortController();
  const seen: number[] = [];
  setImmediate(() => abort.abort());
  for await (const item of stream.loop(abort.signal)) seen.push(item);
  t.same(seen, [1, 2]);
  t.notOk(stream.done);
  stream.push(3);
  for await (const item of stream) {
    seen.push(item);
    break;
  }
  t.same(seen, [1, 2, 3]);
  t.same(record.calls, ['return']);
  t.ok(stream.done);
});

t.test('two readers are a mistake', async (t) => {
  const stream = new EventStream<number>(4);
  void stream.next();
  await t.rejects(stream.next(), { code: 'RONDO_ONE_READER', message: /one reader/ });
});

t.test('many events do not shift the queue one by one', async (t) => {
  const stream = new EventStream<number>(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 5000; i++) stream.push(i);
  const seen: unknown[] = [];
  for (let i = 0; i < 5000; i++) seen.push((await stream.next()).value);
  t.same(
    seen,
    Array.from({ length: 5000 }, (_, index) => index),
  );
});
