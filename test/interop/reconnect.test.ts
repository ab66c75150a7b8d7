import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { RECONNECT_STORY } from '../client/reconnect-story.ts';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';

const WALK = fileURLToPath(new URL('./reconnect-walk.js', import.meta.url));

for (const kind of ['stock', 'ours'] as const)
  t.test(`connections that are made again: ${kind}`, { skip: skipReason([kind]), timeout: 120_000 }, async (t) => {
    const options = { transport: 'udpu', quorum: ['provider: corosync_votequorum', 'expected_votes: 1'] } as const;
    const lab = await Lab.up(options, [kind], true);
    try {
      const node = lab.node(1);
      const walk = node.space.start(process.execPath, [WALK]);
      await walk.waitFor(/^restart$/m, 60_000);
      await node.killDaemon();
      await delay(300);
      node.startDaemon();
      walk.write('up\n');
      await walk.waitFor(/^over$/m, 60_000).catch(() => {});
      const seen = walk.output.split('\n').slice(1, -2);
      RECONNECT_STORY.forEach((line, index) => {
        t.match(seen[index] ?? walk.errors, line);
      });
      await walk.stop();
    } finally {
      await lab.close();
    }
  });
