import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { LoopbackCluster } from '../daemon/loopback-cluster.ts';
import { RECONNECT_STORY, reconnectStory } from './reconnect-story.ts';

t.test('a daemon is killed and started again: group, watches and calls go on', { timeout: 120_000 }, async (t) => {
  const cluster = await LoopbackCluster.create(1, 'udpu');
  t.teardown(() => cluster.end());
  cluster.start(0);
  const lines = await reconnectStory(cluster.options(0), async () => {
    process.kill(cluster.daemons[0]!.pid!, 'SIGKILL');
    await cluster.daemons[0]!.gone(10_000);
    await delay(300);
    cluster.start(0);
  });
  lines.forEach((line, index) => {
    t.match(line, RECONNECT_STORY[index]);
  });
});
