import { getHeapSpaceStatistics } from 'node:v8';
import t from 'tap';
import { GrownHeap } from '../../src/os/give-back.ts';

const MIB = 1 << 20;
const youngMiB = (): number =>
  (getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.physical_space_size ?? 0) / MIB;

/** Many small objects, of which a part lives for a while: the young generation gets as large as it may. */
function load(): number {
  let living: { at: number; held: number[] }[] = [];
  for (let at = 0; at < 3_000_000; at++) {
    living.push({ at, held: [at] });
    if (living.length > 40_000) living = [];
  }
  return living.length;
}

t.test('what a load has made of the young generation is given back with the second collection', async (t) => {
  const heap = new GrownHeap();
  heap.collect();
  t.ok(load() > 0);
  t.equal(heap.collectIfGrown(), true);
  t.ok(youngMiB() > 8, `the first one leaves it: ${youngMiB()} MiB`);
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  t.equal(heap.collectIfGrown(), true);
  t.ok(youngMiB() < 4, `${youngMiB()} MiB`);
  t.equal(heap.collectIfGrown(), false, 'and that is all');
});
