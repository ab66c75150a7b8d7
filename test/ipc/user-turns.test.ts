import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { UserTurns } from '../../src/ipc/server/user-turns.ts';

const burn = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end; );
};

t.test('one of each user after the other, whatever one of them has waiting', async (t) => {
  const turns = new UserTurns(1000);
  const done: number[] = [];
  for (let i = 0; i < 3; i++) turns.add(1, () => done.push(1));
  turns.add(2, () => done.push(2));
  t.same([turns.waitingOf(1), turns.waitingOf(2), turns.waitingOf(3)], [3, 1, 0]);
  t.same(done, []);
  await nextTurn();
  t.same(done, [1, 2, 1, 1]);
  t.equal(turns.waitingOf(1), 0);
});

t.test('a thousand pieces of one user hold up others for the time of a turn', async (t) => {
  const turns = new UserTurns(4);
  let [done, longestMs] = [0, 0];
  for (let i = 0; i < 100; i++)
    turns.add(1, () => {
      burn(1);
      done++;
    });
  for (let lastMs = performance.now(); done < 100; ) {
    const before = done;
    await nextTurn();
    t.ok(done - before <= 5, `${done - before} in one turn of the loop`);
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
    if (before === 0) turns.add(2, () => t.ok(done < 15, 'the other user waits for one turn'));
  }
  t.comment(`longest turn ${longestMs.toFixed(1)} ms`);
});

t.test('work in parts sees that its time is over, and goes on in the next turn', async (t) => {
  const turns = new UserTurns(50);
  let parts = 0;
  const overs: boolean[] = [];
  const work = (): void => {
    overs.push(turns.over);
    burn(60);
    overs.push(turns.over);
    if (++parts < 3) turns.add(1, work);
  };
  turns.add(1, work);
  for (let turn = 1; turn <= 3; turn++) {
    await nextTurn();
    t.equal(parts, turn, 'what is added in a turn waits for the next one');
  }
  t.same(overs, [false, true, false, true, false, true]);
});

t.test('everything at once, before the end', async (t) => {
  const turns = new UserTurns(1);
  let done = 0;
  for (let uid = 0; uid < 50; uid++) turns.add(uid % 3, () => done++);
  turns.finish();
  t.equal(done, 50);
  await nextTurn();
  t.equal(done, 50, 'once');
});
