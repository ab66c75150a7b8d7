import t from 'tap';
import { PaperRing } from './paper-ring.ts';

/** Sections "The recovery protocol" and "Extended virtual synchrony". */

/** Node 1 dies; what it sent last has reached node 2 and not node 3. */
function survivorLacksMessages(): PaperRing {
  const ring = PaperRing.formed(3);
  ring.lose('MCAST', 1, 3);
  for (let i = 0; i < 3; i++) ring.mcast(1, `last${i}`, 1300);
  for (let i = 0; i < 100 && ring.state(2).high < ring.state(3).high + 3; i++) ring.run(0.1);
  ring.crash(1);
  ring.run(6 * ring.timings.tokenMs);
  return ring;
}

const isChange = (text: string) => text.startsWith('TRANSITIONAL') || text.startsWith('REGULAR');

t.test('messages of the old ring that a survivor has are had by all survivors before the new ring', async (t) => {
  const ring = survivorLacksMessages();
  for (const id of [2, 3]) {
    const delivered = ring.delivered(id);
    const regular = delivered.findIndex((text) => text.startsWith('REGULAR'));
    t.same(
      delivered.slice(0, regular).filter((text) => !isChange(text)),
      ['1:last0', '1:last1', '1:last2'],
      `node ${id}`,
    );
  }
});

t.test('virtual synchrony: survivors that come along together have delivered the same in the same order', async (t) => {
  const ring = survivorLacksMessages();
  t.same(ring.delivered(3), ring.delivered(2));
});

t.test('the transitional configuration precedes the new one, and has who comes along from the old one', async (t) => {
  const ring = survivorLacksMessages();
  const changes = ring.delivered(3).filter(isChange);
  t.equal(changes.length, 2);
  t.match(changes[0], /^TRANSITIONAL \S+ \{2,3\} left \{1\}$/);
  t.match(changes[1], /^REGULAR \S+ \{2,3\} joined \{\}$/);
});

t.test('partitions go on by themselves; each has its own transitional configuration', async (t) => {
  const ring = PaperRing.formed(3);
  ring.isolate(3);
  ring.run(6 * ring.timings.tokenMs);
  t.match(ring.delivered(1).filter(isChange)[0], /^TRANSITIONAL \S+ \{1,2\} left \{3\}$/);
  t.match(ring.delivered(3).filter(isChange)[0], /^TRANSITIONAL \S+ \{3\} left \{1,2\}$/);
});

t.test('messages of the new ring are numbered anew, and come behind its configuration', async (t) => {
  const ring = survivorLacksMessages();
  ring.mcast(3, 'new', 10);
  ring.run(1000);
  for (const id of [2, 3]) t.equal(ring.delivered(id).at(-1), '3:new');
  t.ok(ring.state(2).high < 20, `${ring.state(2).high}`);
});

/** Stock sends all of them from each survivor: with nine of those and a small window, longer than most faults last (`passOver` in orf.ts). */
t.test('what one survivor sends again of the old ring the others do not send again', async (t) => {
  const ring = PaperRing.formed(6);
  ring.lose('MCAST', 1, 6);
  for (let i = 0; i < 20; i++) ring.mcast(1, `last${i}`, 1300);
  for (let i = 0; i < 500 && ring.state(2).high < ring.state(6).high + 20; i++) ring.run(0.1);
  ring.crash(1);
  ring.run(6 * ring.timings.tokenMs);
  t.equal(ring.delivered(6).filter((text) => text.startsWith('1:last')).length, 20);
  t.ok(ring.state(2).high < 40, `${ring.state(2).high} messages in the new ring`);
});
