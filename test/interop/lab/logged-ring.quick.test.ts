import t from 'tap';
import { loggedRing } from './logged-ring.ts';

const line = (text: string): string => `Nov 27 05:16:16.598 [20678] node1 corosync notice  [TOTEM ] ${text}\n`;

t.test('the ring that a log ends with', async (t) => {
  t.equal(loggedRing(''), null);
  t.equal(loggedRing(line('Initializing transport (Kronosnet)')), null);
  const alone = line('A new membership (1.5) was formed. Members joined: 1');
  t.same(loggedRing(alone), { id: '1.5', members: [1] });
  const three = alone + line('A new membership (1.d) was formed. Members joined: 3 2');
  t.same(loggedRing(three), { id: '1.d', members: [1, 2, 3] });
  const other = three + line('A new membership (1.11) was formed. Members joined: 4 left: 3');
  t.same(loggedRing(other), { id: '1.11', members: [1, 2, 4] });
  const again = other + line('A new membership (1.13) was formed. Members joined: 2 4 left: 2');
  t.same(loggedRing(again), { id: '1.13', members: [1, 2, 4] }, 'who left and joined is a member');
  const less = other + line('A new membership (1.15) was formed. Members left: 2 4');
  t.same(loggedRing(less + line('Failed to receive the leave message. failed: 2 4')), { id: '1.15', members: [1] });
  t.same(loggedRing(less + line('A new membership (1.19) was formed. Members')), { id: '1.19', members: [1] });
});
