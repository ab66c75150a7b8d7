import t from 'tap';
import { SpinControl } from '../../src/ring/spin-control.ts';

const SPIN_MS = 0.05;

/** Turns without work until the loop decides to sleep; each takes a hundredth of a millisecond. */
function idleTurns(spin: SpinControl, startMs: number): number {
  for (let turns = 0; turns < 1000; turns++) if (!spin.maySpin(startMs + turns * 0.01)) return turns;
  return 1000;
}

/** A loop whose messages come at one rate while it spins and at another while it sleeps. */
class Loop {
  nowMs = 0;
  messages = 0;
  spins = 0;
  readonly spin = new SpinControl(SPIN_MS);

  constructor(
    public perMsSpinning: number,
    private readonly perMsSleeping: number,
    /** Messages that are handled at once, as those of a visit of the token are. */
    private readonly burst = 1,
  ) {}

  run(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      const spun = this.spin.maySpin(this.nowMs);
      if (spun) this.spins++;
      else this.spin.sleeps(this.nowMs);
      this.nowMs += 0.1;
      this.messages += (spun ? this.perMsSpinning : this.perMsSleeping) * 0.1;
      if (spun) this.spin.worked();
      else this.spin.wakes(this.nowMs);
      this.spin.turn(this.nowMs, this.messages - (this.messages % this.burst));
    }
  }

  /** The share of turns that spun during `ms`. */
  share(ms: number): number {
    this.spins = 0;
    const startMs = this.nowMs;
    this.run(ms);
    return this.spins / ((this.nowMs - startMs) * 10);
  }
}

t.test('spins where more messages are handled with it', async (t) => {
  const loop = new Loop(100, 60);
  loop.run(2000);
  t.ok(loop.share(5000) > 0.9);
});

t.test('does not spin where clients starve by it, but for short trials', async (t) => {
  const loop = new Loop(15, 46);
  loop.run(1000);
  t.ok(loop.share(5000) < 0.05);
});

t.test('a trial that harms ends at once', async (t) => {
  const loop = new Loop(2, 46);
  loop.run(1000);
  const seconds = 60;
  const spunMs = loop.share(seconds * 1000) * seconds * 1000;
  t.ok(spunMs > 0, 'it is tried');
  t.ok(
    spunMs < (4 * seconds) / 8 + 8,
    `${spunMs} ms of spinning in ${seconds} s: 3 ms a trial, the next after 1, 2, 4, … 64 s`,
  );
});

t.test('a client that only reads is not kept off for long by a trial that looks like nothing', async (t) => {
  const loop = new Loop(10, 10);
  loop.run(1000);
  let longestMs = 0;
  let spunMs = 0;
  for (let step = 0; step < 100_000; step++) {
    spunMs = loop.share(0.1) > 0 ? spunMs + 0.1 : 0;
    longestMs = Math.max(longestMs, spunMs);
  }
  t.ok(longestMs > 0 && longestMs < 2.5, `${longestMs} ms at a time`);
});

t.test('messages on a schedule, which spinning only delays, end a trial', async (t) => {
  const loop = new Loop(7.5, 10);
  loop.run(1000);
  const seconds = 120;
  const spunMs = loop.share(seconds * 1000) * seconds * 1000;
  t.ok(spunMs > 0 && spunMs < 60, `${spunMs} ms of spinning in ${seconds} s`);
});

t.test('messages that come in bursts do not look like harm', async (t) => {
  const loop = new Loop(500, 300, 500);
  loop.run(2000);
  t.ok(loop.share(20_000) > 0.9);
});

t.test('does not spin for a gain that is not worth a processor, nor for a handful of messages', async (t) => {
  for (const loop of [new Loop(61, 60), new Loop(1, 0.1)]) {
    loop.run(1000);
    t.ok(loop.share(5000) < 0.1, 'only trials');
  }
});

t.test('what was decided for one load ends with it, not with a pause', async (t) => {
  const loop = new Loop(100, 60);
  loop.run(1500);
  t.ok(loop.share(100) > 0.9);
  for (const perMs of [0, 100]) {
    loop.perMsSpinning = perMs;
    loop.run(30);
  }
  t.ok(loop.share(50) > 0.9, 'goes on after a pause');
  loop.perMsSpinning = 10;
  loop.run(20);
  t.ok(loop.share(150) < 0.05, 'not only at the next trial');
});

t.test('learns when it stops to pay', async (t) => {
  const loop = new Loop(100, 60);
  loop.run(2000);
  loop.perMsSpinning = 20;
  loop.run(1000);
  t.ok(loop.share(5000) < 0.05);
});

t.test('a loop that finds nothing spins a few times at most', async (t) => {
  const spin = new SpinControl(SPIN_MS);
  let spun = 0;
  for (let nowMs = 0; nowMs < 60_000; nowMs += 500) {
    spin.turn(nowMs, 0);
    if (idleTurns(spin, nowMs) > 0) spun++;
    spin.sleeps(nowMs + 1);
    spin.wakes(nowMs + 500);
  }
  t.ok(spun <= 16, `${spun} spins`);
});

t.test('no spinning at all', async (t) => {
  const spin = new SpinControl(0);
  let spun = 0;
  for (let nowMs = 0; nowMs < 5000; nowMs += 2) {
    spin.turn(nowMs, nowMs * 100);
    spun += idleTurns(spin, nowMs);
  }
  t.equal(spun, 0);
});
