import t from 'tap';
import { Sharing } from '../../src/ring/cpg/sharing.ts';

t.test('a client that sends alone shares with nobody', async (t) => {
  const sharing = new Sharing();
  t.notOk(sharing.holds(0));
  for (let atMs = 0; atMs < 5000; atMs++) {
    sharing.served(7, atMs);
    if (sharing.holds(atMs)) t.fail(`at ${atMs} ms`);
  }
});

t.test('two share from the second one’s first request until one has been alone for a second', async (t) => {
  const sharing = new Sharing();
  sharing.served(7, 100);
  sharing.served(8, 200);
  t.ok(sharing.holds(200), 'at once');
  for (let atMs = 201; atMs < 1200; atMs++) sharing.served(8, atMs);
  t.ok(sharing.holds(1199));
  t.notOk(sharing.holds(1200));
  sharing.served(7, 1300);
  t.ok(sharing.holds(2299), 'and again');
});
