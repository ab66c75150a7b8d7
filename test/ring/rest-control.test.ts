import t from 'tap';
import { RestControl } from '../../src/ring/rest-control.ts';

/** So many messages of a client that sends the next one after so many microseconds, if this thread goes on or rests; the share of rests. */
function restsOf(rule: RestControl, messages: number, goingOnUs: number, restingUs: number): number {
  let nowMs = 1000;
  let rests = 0;
  for (let i = 0; i < messages; i++) {
    const resting = rule.woke(nowMs) > nowMs;
    if (resting) rests++;
    nowMs += (resting ? restingUs : goingOnUs) / 1000;
    rule.served(nowMs);
  }
  return rests / messages;
}

t.test(
  'a client on the same processor is left alone, one on another is not; a client that is moved is noticed',
  async (t) => {
    const rule = new RestControl();
    t.ok(restsOf(rule, 5000, 25, 14) > 0.98);
    t.ok(restsOf(rule, 5000, 6, 14) < 0.1);
    t.ok(restsOf(rule, 5000, 25, 14) > 0.9);
  },
);

t.test('a fresh daemon, whose thirty rotations take long, leaves it alone as well', async (t) => {
  t.ok(restsOf(new RestControl(), 200, 430, 90) > 0.9);
});

t.test('less than one message in a hundred is a trial', async (t) => {
  const rule = new RestControl();
  restsOf(rule, 100, 6, 14);
  t.ok(restsOf(rule, 100_000, 6, 14) < 0.01);
});

t.test('a client that does something else between its messages decides nothing', async (t) => {
  const rule = new RestControl();
  restsOf(rule, 1000, 25, 14);
  restsOf(rule, 1000, 5000, 9000);
  t.ok(restsOf(rule, 1000, 25, 14) > 0.98);
});
