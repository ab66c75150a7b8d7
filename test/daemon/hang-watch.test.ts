import t from 'tap';
import { HangWatch } from '../../src/daemon/hang-watch.ts';

t.test('a loop that turns is left alone', async (t) => {
  const watch = new HangWatch(250, () => t.fail('it turns'));
  for (let tick = 0; tick < 1000; tick++) watch.tick(tick >> 2);
});

t.test('a loop that stands still is told after 4, 8, 16, 32 s, and anew after it went on', async (t) => {
  const scene: number[] = [];
  const watch = new HangWatch(250, (seconds) => scene.push(seconds));
  for (let tick = 0; tick <= 32 * 4; tick++) watch.tick(7);
  t.same(scene, [4, 8, 16, 32]);
  for (let tick = 0; tick <= 4 * 4; tick++) watch.tick(8);
  t.same(scene, [4, 8, 16, 32, 4]);
});
