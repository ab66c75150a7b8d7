import t from 'tap';
import { HangWatch } from '../../src/daemon/hang-watch.ts';

t.test('a loop that turns is left alone', async (t) => {
  const watch = new HangWatch(250, () => t.fail('it turns'));
  for (let tick = 0; tick < 1000; tick++) watch.tick(tick >> 2);
});

t.test('a loop that stalls is reported after 4, 8, 16, 32 s, and anew after it has gone on', async (t) => {
  const scene: number[] = [];
  const watch = new HangWatch(250, (seconds, started) => scene.push(started ? seconds : -1));
  for (let tick = 0; tick <= 32 * 4; tick++) watch.tick(7);
  t.same(scene, [4, 8, 16, 32]);
  for (let tick = 0; tick <= 4 * 4; tick++) watch.tick(8);
  t.same(scene, [4, 8, 16, 32, 4]);
});

t.test('a loop that has not turned yet is starting', async (t) => {
  const scene: string[] = [];
  const watch = new HangWatch(250, (seconds, started) => scene.push(`${seconds} ${started}`));
  for (let tick = 0; tick <= 8 * 4; tick++) watch.tick(0);
  watch.tick(1);
  for (let tick = 0; tick <= 4 * 4; tick++) watch.tick(1);
  t.same(scene, ['4 false', '8 false', '4 true']);
});
