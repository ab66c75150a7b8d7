import t from 'tap';
import { SpinControl } from '../../src/ring/spin-control.ts';

/** Turns without work until the loop decides to sleep; each takes a hundredth of a millisecond. */
function idleTurns(spin: SpinControl, startMs: number): number {
  for (let turns = 0; turns < 1000; turns++) if (!spin.maySpin(startMs + turns * 0.01)) return turns;
  return 1000;
}

t.test('a loop that finds nothing stops spinning', async (t) => {
  const spin = new SpinControl(0.05);
  let nowMs = 0;
  let spun = 0;
  for (let round = 0; round < 100; round++) {
    if (idleTurns(spin, nowMs) > 0) spun++;
    spin.sleeps(nowMs + 1);
    nowMs += 500;
    spin.wakes(nowMs);
  }
  t.ok(spun <= 16, `${spun} spins`);
});

t.test('a loop that finds work while spinning goes on', async (t) => {
  const spin = new SpinControl(0.05);
  for (let round = 0; round < 100; round++) {
    t.ok(idleTurns(spin, round * 10) >= 0);
    spin.worked();
    spin.maySpin(round * 10 + 5);
    spin.worked();
  }
  t.ok(spin.maySpin(5000));
});

t.test('short sleeps bring the spinning back', async (t) => {
  const spin = new SpinControl(0.05);
  for (let round = 0; round < 50; round++) idleTurns(spin, round * 10);
  t.equal(idleTurns(spin, 1000), 0);
  spin.sleeps(2000);
  spin.wakes(2000.04);
  t.ok(idleTurns(spin, 2001) > 0);
});

t.test('no spinning at all', async (t) => {
  t.equal(idleTurns(new SpinControl(0), 0), 0);
});
