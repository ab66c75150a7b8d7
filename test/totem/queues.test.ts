import t from 'tap';
import { FRAME_PAGE_BYTES, FramePool } from '../../src/totem/frame-pool.ts';
import { SendQueue } from '../../src/totem/send-queue.ts';
import { SortQueue } from '../../src/totem/sort-queue.ts';
import { Timer, TimerTable } from '../../src/totem/timer-table.ts';

/** M of knet: 64 packets. */
const MTU = 65_446;

t.test('the window of a sort queue moves, also over the end of the numbers', async (t) => {
  const pool = new FramePool(0, 8 * FRAME_PAGE_BYTES);
  const queue = new SortQueue(pool);
  queue.head = 0xfffffffe;
  for (const seq of [0xfffffffe, 0xffffffff, 0, 1]) queue.add(seq, pool.alloc(100), 100);
  t.equal(queue.holds(0), true);
  t.equal(queue.inRange(0xfffffffd), false);
  t.equal(queue.inRange((0xfffffffe + 16_383) >>> 0), true);
  t.equal(queue.inRange((0xfffffffe + 16_384) >>> 0), false);
  queue.releaseThrough(0);
  t.equal(queue.head, 1);
  t.equal(queue.size, 1);
  queue.releaseThrough(0xffffffff); // below the head: nothing
  t.equal(queue.head, 1);
  t.throws(() => queue.add(1, 0, 100), { message: /added twice/ });
  t.throws(() => queue.add(0, 0, 100), { message: /outside of the window/ });
  queue.clear();
  t.equal(pool.pagesFree, 8);
});

t.test('misses are counted for each slot anew', async (t) => {
  const pool = new FramePool(0, 8 * FRAME_PAGE_BYTES);
  const queue = new SortQueue(pool);
  for (let i = 1; i <= 5; i++) t.equal(queue.countMiss(7), i);
  queue.add(7, pool.alloc(50), 50);
  queue.remove(7);
  t.equal(queue.countMiss(7), 1);
});

t.test('packets change their queue without tearing messages apart', async (t) => {
  const normal = new SendQueue(MTU);
  const transitional = new SendQueue(MTU);
  normal.push(1, 10, true); // goes on with a message whose head was sent
  normal.push(2, 10, true);
  normal.push(3, 10, false);
  transitional.push(8, 10, false);
  transitional.push(9, 10, true);
  normal.takeOver(transitional);
  const order: number[] = [];
  while (normal.length > 0) {
    order.push(normal.headOffset);
    normal.shift();
  }
  t.same(order, [1, 2, 8, 9, 3]);
  t.equal(transitional.length, 0);
});

t.test('avail counts as stock does', async (t) => {
  const queue = new SendQueue(MTU);
  t.equal(queue.avail, 62);
  for (let i = 0; i < 62; i++) queue.push(i, 1, false);
  t.equal(queue.avail, 0);
  queue.sizeFor(MTU / 2);
  t.equal(queue.avail, 64, 'smaller packets: more of them');
});

t.test('timers fire in the order of their deadlines', async (t) => {
  const clock = { nowMs: 0 };
  const timers = new TimerTable(clock);
  const due = (nowMs: number) => {
    clock.nowMs = nowMs;
    const timer = timers.takeDue();
    clock.nowMs = 0;
    return timer;
  };
  t.equal(timers.next(), Number.POSITIVE_INFINITY);
  timers.start(Timer.JOIN, 30);
  timers.start(Timer.TOKEN, 10);
  timers.start(Timer.MERGE, 20);
  timers.stop(Timer.TOKEN);
  timers.start(Timer.TOKEN, 25);
  t.equal(timers.next(), 20);
  t.equal(due(19), -1);
  t.equal(due(100), Timer.MERGE);
  t.equal(due(100), Timer.TOKEN);
  t.equal(timers.running(Timer.TOKEN), false);
  timers.start(Timer.JOIN, 40);
  t.equal(timers.next(), 40);
});
