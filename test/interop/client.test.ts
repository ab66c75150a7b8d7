import { fileURLToPath } from 'node:url';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';

const WALK = fileURLToPath(new URL('./client-walk.js', import.meta.url));

/** The client library beside both daemons: what it promises does not depend on whose it is. */
async function walk(kind: DaemonKind): Promise<string[]> {
  const options = { transport: 'udpu', quorum: ['provider: corosync_votequorum', 'expected_votes: 1'] } as const;
  const lab = await Lab.up(options, [kind], true);
  try {
    const { code, stdout } = await lab.node(1).space.run(process.execPath, [WALK], { timeoutMs: 60_000 });
    return [...stdout.trimEnd().split('\n'), `status ${code}`];
  } finally {
    await lab.close();
  }
}

t.test('the client library over stock and over ours', { skip: skipReason(['ours', 'stock']) }, async (t) => {
  t.setTimeout(200_000);
  const stock = await walk('stock');
  t.match(stock.join('\n'), /shutdown done at once\nstatus 0/);
  t.match(stock.join('\n'), /timers run true/);
  t.same(await walk('ours'), stock);
});
