import t from 'tap';
import { PaperRing } from './paper/paper-ring.ts';

/** How many reports node 1 makes while nodes fall silent to it, one each 5 ms, and are heard again. */
function reports(members: number): number {
  const ring = PaperRing.formed(members);
  const { suspicion } = ring.state(1);
  let count = 0;
  let lastMs = suspicion.reportedAtMs;
  const look = (): void => {
    if (suspicion.reportedAtMs !== lastMs) count++;
    lastMs = suspicion.reportedAtMs;
  };
  for (let id = 2; id <= 12; id++) {
    for (const ms of [160, -1]) {
      ring.silent(id, 1, ms);
      look();
      ring.run(5);
      look();
    }
  }
  return count;
}

t.test('each change is reported at once; in a ring of more than 16 members several together', async (t) => {
  t.equal(reports(16), 22);
  const large = reports(20);
  t.ok(large >= 1 && large <= 3, `${large} reports`);
});
