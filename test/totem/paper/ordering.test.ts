import t from 'tap';
import { PaperRing } from './paper-ring.ts';

/** Section "The total ordering protocol". */
const IDS = [1, 2, 3];

t.test('total order: all members deliver all messages in one order, whoever sent them', async (t) => {
  const ring = PaperRing.formed(3);
  for (let i = 0; i < 20; i++) for (const id of IDS) ring.mcast(id, `m${i}`, 400);
  ring.run(1000);
  t.equal(ring.delivered(1).length, 60);
  for (const id of IDS) t.same(ring.delivered(id), ring.delivered(1));
});

t.test('self-delivery: who sends a message delivers it, in its place in the order', async (t) => {
  const ring = PaperRing.formed(3);
  ring.mcast(2, 'own', 10);
  ring.run(1000);
  t.same(ring.delivered(2), ['2:own']);
});

t.test('order of origin: the messages of one sender are delivered in the order in which it sent them', async (t) => {
  const ring = PaperRing.formed(3);
  for (let i = 0; i < 60; i++) ring.mcast(3, `m${i}`, 900);
  ring.run(1000);
  t.same(
    ring.delivered(1),
    Array.from({ length: 60 }, (_, i) => `3:m${i}`),
  );
});

t.test('agreed delivery: behind a message that is missing nothing is delivered until it was sent again', async (t) => {
  const ring = PaperRing.formed(3);
  ring.lose('MCAST', 1, 3, 1);
  for (let i = 0; i < 4; i++) ring.mcast(1, `m${i}`, 1300);
  ring.run(0.6);
  t.ok(ring.state(3).high > ring.state(3).aru, 'later ones have arrived');
  t.same(ring.delivered(3), [], 'and wait');
  ring.run(1000);
  t.same(ring.delivered(3), ['1:m0', '1:m1', '1:m2', '1:m3']);
  t.ok(ring.statistic(1, 'mcast_retx') + ring.statistic(2, 'mcast_retx') > 0);
});

t.test('stability: what one member lacks nobody frees; what all have had for two visits is freed', async (t) => {
  const ring = PaperRing.formed(3);
  const before = ring.state(3).aru;
  ring.lose('MCAST', 1, 3);
  ring.lose('MCAST', 2, 3);
  ring.mcast(1, 'kept', 100);
  ring.run(10);
  t.equal(ring.state(3).aru, before, 'node 3 lacks it');
  t.ok(ring.state(1).high > before, 'it was sent');
  for (const id of IDS) t.equal(ring.state(id).released, before, `node ${id} keeps it`);
  ring.heal();
  ring.run(5000); // an idle ring's token comes around slowly
  for (const id of IDS) t.equal(ring.state(id).released, ring.state(1).high, `node ${id} has freed it`);
  t.same(ring.delivered(3), ['1:kept']);
});
