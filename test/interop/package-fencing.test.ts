import t from 'tap';
import { FULL } from './lab/cases.ts';
import { drbdUnavailable } from './lab/drbd-handlers.ts';
import { fencingStory } from './lab/fencing-story.ts';
import { packagedUnavailable } from './lab/packaged.ts';

/** Unmodified Pacemaker shoots a host with our package, by a power switch; DRBD's handlers ask it for what they need. */
t.test('fencing on hosts with our package', { skip: packagedUnavailable('curl', 'stonith_admin') }, async (t) => {
  t.setTimeout(1_200_000);
  const views = await fencingStory('ours');
  t.match(views.get('devices'), /power/, 'stonith_admin knows who can shoot');
  t.test('DRBD’s handlers', { skip: drbdUnavailable() }, async (t) => {
    t.match(
      views.get('DRBD: peer is there'),
      { code: 4, constraint: /value="node1"/ },
      'who has the data alone may use them',
    );
    t.same(views.get('DRBD: peer has all of it'), { code: 0, constraint: 'none' }, 'and is no longer alone with them');
  });
  t.match(
    views.get('daemon killed'),
    { orders: ['/reboot/node1'] },
    'the host was off before the resource started elsewhere',
  );
  t.match(views.get('line cut'), { orders: ['/reboot/node1', '/reboot/node1'] }, 'also when it ran on');
  t.same(
    views.get('history'),
    ['node2', 'node1', 'node1'].map((name) => `reboot of ${name} successful`),
  );
  if (!FULL) return;
  for (const [what, expected] of await fencingStory('stock')) t.same(views.get(what), expected, what);
});
