import { getPriority, setPriority } from 'node:os';
import t from 'tap';
import { StartPriority } from '../../src/daemon/start-priority.ts';

t.test('a raised priority lasts until clients are served, then all threads have the planned one', async (t) => {
  const env = { RONDO_STARTS_FIRST: 'yes' };
  const start = new StartPriority(env);
  t.same(env, {}, 'programs that the daemon starts do not see it');
  t.ok(start.setLater(3));
  const before = getPriority();
  t.not(before, 3);
  start.end();
  t.equal(getPriority(), 3);
  start.end();
  if (process.geteuid?.() === 0) {
    setPriority(0, before);
    start.end();
    t.equal(getPriority(), before, 'once');
  }
});

t.test('nothing was raised: a nice value is set at once, and the end changes nothing', async (t) => {
  const start = new StartPriority({});
  t.notOk(start.setLater(5));
  const before = getPriority();
  start.end();
  t.equal(getPriority(), before);
});
