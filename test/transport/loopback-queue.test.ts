import fc from 'fast-check';
import t from 'tap';
import { Arena } from '../../src/os/arena.ts';
import { LoopbackQueue } from '../../src/transport/loopback-queue.ts';

t.test('frames come back in order, unchanged, whatever the sizes', async () => {
  const arena = Arena.map(1 << 20);
  const from = arena.allocate(8192);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -3, max: 4000 }), { maxLength: 600 }), (steps) => {
      const full = { values: new Float64Array(1), slot: 0 };
      const queue = new LoopbackQueue(arena, full);
      const expected: number[] = [];
      let dropped = 0;
      for (const step of steps) {
        if (step > 0) {
          arena.u8.fill(step & 0xff, from, from + step);
          queue.push(from, step);
          if (full.values[0]! === dropped) expected.push(step);
          dropped = full.values[0]!;
        } else if (queue.peek()) {
          const length = expected.shift();
          if (queue.bytes !== length) throw new Error(`${queue.bytes} instead of ${length}`);
          for (let i = 0; i < queue.bytes; i++) {
            if (arena.u8[queue.offset + i] !== (queue.bytes & 0xff)) throw new Error('other bytes');
          }
          queue.release();
        } else if (expected.length > 0) throw new Error('lost');
        if (queue.length !== expected.length) throw new Error('wrong length');
      }
      return queue.clear() === expected.length && !queue.peek();
    }),
    { numRuns: 2 },
  );
});

t.test('full, then empty, then full again; cleared with a frame in hand', async (t) => {
  const arena = Arena.map(1 << 20);
  const full = { values: new Float64Array(1), slot: 0 };
  const queue = new LoopbackQueue(arena, full);
  const from = arena.allocate(8192);
  for (let round = 0; round < 5; round++) {
    let count = 0;
    while (full.values[0]! === round) {
      queue.push(from, 1 + ((count * 911) % 5000));
      count++;
    }
    t.ok(count > 40);
    for (let i = 0; i < count - 1; i++) {
      if (!queue.peek() || queue.bytes !== 1 + ((i * 911) % 5000)) t.fail(`frame ${i}`);
      queue.release();
    }
    t.notOk(queue.peek());
  }
  queue.push(from, 10);
  queue.push(from, 10);
  queue.peek();
  t.equal(queue.clear(), 2);
  queue.release();
  t.equal(queue.length, 0);
});
