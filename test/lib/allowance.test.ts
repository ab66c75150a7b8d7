import t from 'tap';
import { Allowance } from '../../src/lib/allowance.ts';

t.test('so many at once, and so many a second', async (t) => {
  const allowance = new Allowance(3, 2);
  const taken = (count: number, nowMs: number): number =>
    Array.from({ length: count }, () => allowance.take(nowMs)).filter(Boolean).length;
  t.equal(taken(5, 1000), 3);
  t.equal(taken(5, 1000), 0);
  t.equal(taken(5, 2000), 2, 'a second later');
  t.equal(taken(5, 100_000), 3, 'never more than at once');
});
