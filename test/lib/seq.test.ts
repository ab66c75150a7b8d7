import fc from 'fast-check';
import t from 'tap';
import { seqAdd, seqDistance, seqLt, seqLte, seqMax, seqMin, seqNext } from '../../src/lib/seq.ts';

const u32 = fc.nat({ max: 0xffffffff });

t.test('the values that totem.md 0 names', async (t) => {
  t.equal(seqLt(0xffffffff, 0), true);
  t.equal(seqLt(0, 0xffffffff), false);
  t.equal(seqLt(0, 1), true);
  t.equal(seqLte(5, 5), true);
  t.equal(seqLt(5, 5), false);
  t.equal(seqNext(0xffffffff), 0);
});

t.test('property: exactly one of less, equal, greater', async () => {
  fc.assert(fc.property(u32, u32, (a, b) => [seqLt(a, b), seqLt(b, a), a === b].filter(Boolean).length === 1));
});

t.test('property: within two windows a step forward is greater, on both sides of the wrap', async () => {
  const near = fc.oneof(
    u32,
    fc.integer({ min: -40_000, max: 40_000 }).map((x) => x >>> 0),
  );
  fc.assert(
    fc.property(near, fc.integer({ min: 1, max: 32_768 }), (a, d) => {
      const b = seqAdd(a, d);
      return seqLt(a, b) && !seqLt(b, a) && seqDistance(b, a) === d && seqMax(a, b) === b && seqMin(a, b) === a;
    }),
  );
});

t.test('property: min and max agree with lte', async () => {
  fc.assert(fc.property(u32, u32, (a, b) => seqLte(seqMin(a, b), seqMax(a, b))));
});
