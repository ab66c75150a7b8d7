import t from 'tap';
import { Repeats } from '../../src/lib/repeats.ts';

t.test('the first of each kind, then one a period, with the number of the others', async (t) => {
  const repeats = new Repeats(100, 2);
  t.equal(repeats.admit('a', 0), 0);
  t.equal(repeats.admit('a', 1), null);
  t.equal(repeats.admit('a', 99), null);
  t.equal(repeats.admit('b', 50), 0);
  t.equal(repeats.admit('c', 60), null, 'the table is full');
  t.equal(repeats.admit('a', 100), 2);
  t.equal(repeats.admit('c', 149), null, 'all are recent');
  t.equal(repeats.admit('c', 150), 0, 'in the place of b');
  t.equal(repeats.admit('a', 151), null);
});
