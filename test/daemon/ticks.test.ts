import t from 'tap';
import { Ticks } from '../../src/daemon/ticks.ts';

/** A clock that counts how often it was asked to wake up. */
function fakeClock() {
  let nowMs = 0;
  let next: { readonly atMs: number; readonly callback: () => void } | null = null;
  let wakeUps = 0;
  const run = (untilMs: number): void => {
    while (next !== null && next.atMs <= untilMs) {
      const { atMs, callback } = next;
      next = null;
      nowMs = atMs;
      wakeUps++;
      callback();
    }
    nowMs = untilMs;
  };
  const clock = {
    nowMs: () => nowMs,
    after: (delayMs: number, callback: () => void) => {
      const timer = { atMs: nowMs + delayMs, callback };
      next = timer;
      return () => {
        if (next === timer) next = null;
      };
    },
  };
  return { clock, run, wakeUps: () => wakeUps, waits: () => next !== null };
}

t.test('what is due soon comes with what is due now, and none much too early', async (t) => {
  const { clock, run, wakeUps, waits } = fakeClock();
  const ticks = new Ticks(clock);
  const calls = new Map<number, number[]>();
  const stops: (() => void)[] = [];
  for (const [index, periodMs] of [500, 500, 667, 1_000].entries()) {
    run(index * 130);
    calls.set(index, [clock.nowMs()]);
    stops.push(ticks.every(periodMs, () => calls.get(index)?.push(clock.nowMs())));
  }
  run(60_000);
  t.ok(wakeUps() <= 125, `${wakeUps()} wake-ups in a minute`);
  for (const [index, periodMs] of [500, 500, 667, 1_000].entries()) {
    const times = calls.get(index) ?? [];
    const gaps = times.slice(1).map((ms, at) => ms - times[at]!);
    t.ok(
      gaps.every((ms) => ms >= 0.55 * periodMs && ms <= periodMs),
      `every ${periodMs}: ${Math.min(...gaps)} to ${Math.max(...gaps)}`,
    );
    t.ok(times.length >= 60_000 / periodMs - 1);
  }
  for (const stop of stops) stop();
  t.notOk(waits(), 'nothing is left to wake up for');
});

t.test('one that throws ends no other; one that was ended by another does not come', async (t) => {
  const { clock, run } = fakeClock();
  const ticks = new Ticks(clock);
  const seen: string[] = [];
  ticks.every(100, () => {
    seen.push('a');
    stopC();
  });
  ticks.every(100, () => {
    throw new Error('b');
  });
  const stopC = ticks.every(100, () => seen.push('c'));
  t.throws(() => run(100), { message: 'b' });
  t.throws(() => run(200), { message: 'b' });
  t.same(seen, ['a', 'a']);
});
