import t from 'tap';
import { Anticipation } from '../../src/ipc/server/anticipation.ts';

const WAIT_MS = 0.02;

/** A turn of the loop at `nowMs` that responds at once, and whose next request comes `afterMs` later; whether it was seen without a sleep, and the end. */
function turn(rule: Anticipation, nowMs: number, afterMs: number): { seen: boolean; waited: boolean } {
  rule.turnBegins(nowMs);
  if (!rule.begin(nowMs)) return { seen: false, waited: false };
  for (let t = nowMs; rule.mayContinue(t); t += 0.001) {
    if (t < nowMs + afterMs) continue;
    rule.came();
    return { seen: true, waited: true };
  }
  return { seen: false, waited: true };
}

t.test('a client that asks now and then is not waited for', async (t) => {
  const rule = new Anticipation();
  for (let nowMs = 0; nowMs < 1000; nowMs += 10) t.notOk(turn(rule, nowMs, 0.001).waited);
});

t.test('one that asks the next moment is, from its second request on', async (t) => {
  const rule = new Anticipation();
  t.notOk(turn(rule, 0, 0.005).waited);
  for (let i = 1; i < 100; i++) t.ok(turn(rule, i * 0.03, 0.005).seen);
});

t.test(
  'one that never comes in time pays for fewer and fewer waits, and for all of them again once it does',
  async (t) => {
    const rule = new Anticipation();
    let waits = 0;
    for (let i = 0; i < 10_000; i++) if (turn(rule, i * 0.04, 0.03).waited) waits++;
    t.ok(waits >= 10 && waits <= 20, `${waits} waits`);
    let seen = 0;
    for (let i = 10_000; i < 12_100; i++) if (turn(rule, i * 0.04, 0.005).seen) seen++;
    t.ok(seen > 1000, `${seen} of 2100`);
  },
);

t.test('a turn of the loop is not longer for it than a quarter of a millisecond', async (t) => {
  const rule = new Anticipation();
  turn(rule, 0, 0.001);
  rule.turnBegins(0.03);
  let nowMs = 0.03;
  while (rule.begin(nowMs)) {
    rule.came();
    nowMs += 0.01;
  }
  t.ok(nowMs > 0.2 && nowMs < 0.03 + 0.25 + WAIT_MS, `${nowMs} ms`);
});
