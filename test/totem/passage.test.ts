import t from 'tap';
import { DURATION_SLOTS, readDurations } from '../../src/lib/durations.ts';
import { HISTOGRAM_NAMES, HISTOGRAMS_SLOTS, Passage } from '../../src/totem/passage.ts';
import { SendQueue } from '../../src/totem/send-queue.ts';

const MTU = 1500;

function bench() {
  const values = new Float64Array(HISTOGRAMS_SLOTS);
  const passage = new Passage(values);
  const read = (at: number) => readDurations(values.subarray(at * DURATION_SLOTS, (at + 1) * DURATION_SLOTS));
  const total = (at: number): number => read(at).counts.reduce((sum, count) => sum + count, 0);
  return {
    passage,
    queue: new SendQueue(MTU, passage.fillingSinceMs),
    rotations: () => ({ count: total(0), sumMs: read(0).sumMs }),
    deliveries: () => ({ count: total(1), sumMs: read(1).sumMs }),
  };
}

t.test('a rotation is from one visit to the next on the same ring', async (t) => {
  const { passage, rotations } = bench();
  passage.visit({ nowMs: 100 });
  t.same(rotations(), { count: 0, sumMs: 0 }, 'the first visit has none before it');
  passage.visit({ nowMs: 103 });
  passage.visit({ nowMs: 105 });
  t.same(rotations(), { count: 2, sumMs: 5 });
  passage.tokenGone();
  passage.visit({ nowMs: 5000 });
  t.same(rotations(), { count: 2, sumMs: 5 }, 'a token that was lost is no rotation');
});

t.test('a delivery is from the first message of a packet until the packet is delivered here', async (t) => {
  const { passage, queue, deliveries } = bench();
  passage.fills({ nowMs: 10 });
  queue.push(0, 100, false);
  passage.fills({ nowMs: 12 });
  queue.push(100, 100, false);
  passage.sent(7, queue);
  queue.shift();
  passage.sent(8, queue);
  queue.shift();
  passage.delivered(7, { nowMs: 15 });
  passage.delivered(8, { nowMs: 15 });
  t.same(deliveries(), { count: 2, sumMs: 8 });
  passage.delivered(8, { nowMs: 99 });
  passage.delivered(9, { nowMs: 99 });
  t.same(deliveries(), { count: 2, sumMs: 8 }, 'once each, and only what was sent here');
  queue.push(0, 100, false);
  passage.sent(3, queue);
  passage.startRing();
  passage.delivered(3, { nowMs: 99 });
  t.same(deliveries(), { count: 2, sumMs: 8 }, 'not on another ring');
});

t.test('a packet that moves to another queue keeps its moment', async (t) => {
  const { passage, deliveries } = bench();
  const normal = new SendQueue(MTU, passage.fillingSinceMs);
  const transitional = new SendQueue(MTU, passage.fillingSinceMs);
  passage.fills({ nowMs: 10 });
  transitional.push(0, 100, false);
  passage.fills({ nowMs: 20 });
  normal.push(100, 100, false);
  normal.takeOver(transitional);
  for (const seq of [1, 2]) {
    passage.sent(seq, normal);
    normal.shift();
    passage.delivered(seq, { nowMs: 30 });
  }
  t.same(deliveries(), { count: 2, sumMs: 30 });
});

t.test('every number has a name', async (t) => {
  t.equal(new Set(HISTOGRAM_NAMES).size, HISTOGRAMS_SLOTS);
  t.equal(HISTOGRAM_NAMES[0], 'rotation.0');
});
