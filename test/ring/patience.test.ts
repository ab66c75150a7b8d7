import t from 'tap';
import { Patience } from '../../src/ring/cpg/patience.ts';

/** What waits for the clients of user 7, as a share of what may. */
function fixture() {
  let share: number | null = null;
  const patience = new Patience({ shareOf: () => share });
  return {
    patience,
    /** For a time, becoming less or more by so much in each second; in which share of it sends waited. */
    run(from: number, perSecond: number, startMs: number, ms: number): number {
      let held = 0;
      for (let atMs = 0; atMs < ms; atMs += 10) {
        share = from + (perSecond * atMs) / 1000;
        if (patience.holds(7, startMs + atMs)) held++;
      }
      return held / (ms / 10);
    },
    set: (value: number | null) => {
      share = value;
    },
  };
}

t.test('sends wait while the readers of their user catch up', async (t) => {
  const { run, patience, set } = fixture();
  t.equal(run(0.3, 0.05, 0, 3000), 0, 'not before there is much');
  t.equal(run(0.9, -0.15, 10_000, 2600), 1);
  set(0.49);
  t.equal(patience.holds(7, 13_000), false);
  set(null);
  t.equal(patience.holds(7, 13_001), false, 'hardly anything waits for anybody');
});

t.test('they do not wait for who reads nothing, or hardly', async (t) => {
  for (const perSecond of [0, -0.01, 0.02]) {
    const { run } = fixture();
    const held = run(0.6, perSecond, 0, 10_000);
    t.ok(held > 0 && held <= 0.11, `one second of ten, ${held}`);
  }
});

t.test('nor are they held for ever by who reads again and again a little', async (t) => {
  const { patience, set } = fixture();
  let held = 0;
  for (let atMs = 0; atMs < 20_000; atMs += 10) {
    set(atMs % 2000 < 1000 ? 0.6 : 0.58);
    if (patience.holds(7, atMs)) held++;
  }
  t.ok(held <= 101, `${held * 10} ms`);
});

t.test('a reader that comes back is waited for again', async (t) => {
  const { run } = fixture();
  run(0.6, 0, 0, 5000);
  t.ok(run(0.9, -0.2, 5000, 1900) > 0.3);
});
