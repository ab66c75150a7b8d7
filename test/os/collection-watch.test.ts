import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { CollectionWatch } from '../../src/os/collection-watch.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

t.test('runs of the collector are counted on a thread that does not return to its loop', async (t) => {
  const watch = new CollectionWatch();
  const counted = (kind: string): { count: number; seconds: number; longestSeconds: number } =>
    watch.take().find((one) => one.kind === kind) ?? { count: 0, seconds: 0, longestSeconds: 0 };
  gc();
  t.same(watch.take(), [], 'nothing before it was started');
  watch.start();
  watch.start();
  gc();
  gc();
  const { count, seconds, longestSeconds } = counted('major');
  t.ok(count >= 2, `${count} collections`);
  t.ok(longestSeconds > 0 && longestSeconds < seconds && seconds < 10, 'the longest is one of several');
  gc();
  t.ok(counted('major').count > count, 'goes on after a look');
  const minor = counted('minor').count;
  gc({ type: 'minor' });
  t.ok(counted('minor').count > minor, 'kinds are told apart');
  watch.stop();
  const after = counted('major').count;
  gc();
  t.equal(counted('major').count, after, 'stopped');
});
