import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { TurnShare } from '../../src/lib/turn-share.ts';

const SHARE_MS = 2;

/** Keeps the thread busy. */
function work(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

t.test('a share is used up in its turn, and there again in the next one', async (t) => {
  const share = new TurnShare(SHARE_MS);
  t.notOk(share.isOver());
  work(SHARE_MS + 1);
  t.ok(share.isOver());
  await Promise.resolve();
  t.ok(share.isOver(), 'microtasks belong to the turn');
  await turn();
  t.notOk(share.isOver());
});

t.test('those who always have something to do share a turn, one after the other', async (t) => {
  const share = new TurnShare(SHARE_MS);
  const done = [0, 0, 0];
  let stopped = false;
  const goOn = (which: number): void => {
    while (!stopped) {
      if (share.isOver()) {
        share.later(() => goOn(which));
        return;
      }
      work(0.5);
      done[which]!++;
    }
  };
  for (const which of done.keys()) goOn(which);
  const waits: number[] = [];
  for (let turns = 0; turns < 30; turns++) {
    const startedMs = process.cpuUsage().user;
    await turn();
    waits.push((process.cpuUsage().user - startedMs) / 1000);
  }
  stopped = true;
  await turn();
  t.ok(Math.min(...done) > 0 && Math.max(...done) <= 3 * Math.min(...done), `nobody is left out: ${done.join(' ')}`);
  waits.sort((a, b) => a - b);
  t.ok(waits[waits.length >> 1]! < 3 * SHARE_MS, `turns take one share, not three: ${waits[waits.length >> 1]} ms`);
});
