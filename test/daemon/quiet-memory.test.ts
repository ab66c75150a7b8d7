import t from 'tap';
import { QuietMemory } from '../../src/daemon/quiet-memory.ts';
import { GrownHeap } from '../../src/os/give-back.ts';

const MIB = 1 << 20;

t.test('a thread that had work is left alone, one that had little collects its heap', async (t) => {
  let looks = 0;
  const memory = new QuietMemory({
    collectIfGrown: () => {
      looks++;
      return true;
    },
  });
  memory.look(0.5);
  t.equal(looks, 0);
  memory.look(0.01);
  t.equal(looks, 1);
});

t.test('what lives is not collected again and again', async (t) => {
  const heap = new GrownHeap();
  heap.collect();
  t.equal(heap.collectIfGrown(), false, 'it has not grown');
  const kept = Array.from({ length: 16 }, () => new Uint8Array(MIB));
  t.equal(heap.collectIfGrown(), true);
  heap.collectIfGrown(); // for the young generation
  t.equal(heap.collectIfGrown(), false, 'this is what it has from now on');
  t.equal(kept.length, 16);
});
