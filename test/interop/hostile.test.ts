import { readdirSync } from 'node:fs';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import type { LabNode } from './lab/node.ts';
import { sleep } from './lab/process.ts';
import { program } from './lab/programs.ts';
import { Story } from './scenarios/story.ts';

/**
 * Clients that write nonsense into their shared memory lose their own connection and nothing else: the other clients
 * of the daemon go on, the ring does not change, and nothing is left in /dev/shm.
 */
const kinds = ['ours', 'stock'] as const;
const SERVICES = ['cpg', 'cmap', 'votequorum', 'quorum', 'cfg'] as const;
/** What must happen to the connection: cut, or nothing to see (`open`), or either. */
const WAYS: Readonly<Record<string, 'cut' | 'open' | 'either' | 'gone'>> = {
  garbage: 'cut',
  header: 'either',
  long: 'cut',
  huge: 'cut',
  short: 'either',
  half: 'gone',
  unposted: 'open',
  posts: 'either',
  ids: 'either',
  sizes: 'either',
  bytes: 'either',
  handshake: 'either',
  silent: 'either',
};

const shared = (node: LabNode): string[] =>
  readdirSync(`/proc/${node.space.pid}/root/dev/shm`).filter((name) => name.startsWith('qb-'));

t.test('hostile clients', { skip: skipReason(kinds) }, async (t) => {
  const story = await Story.begin(t, { transport: 'udpu' }, kinds);
  await story.play(async ({ lab }) => {
    const hostile = await program('hostile');
    await story.joinAll();
    const rings = await story.rings();
    const before = shared(lab.node(1)).length;
    let seed = 0;
    for (const service of SERVICES) {
      for (const [way, expected] of Object.entries(WAYS)) {
        story.send(5, 1, 20_000);
        const { stdout, code } = await lab.node(1).space.run(hostile, [service, way, String(++seed)]);
        const result = stdout.trim().split('\n').join(' ');
        if (expected === 'gone') t.equal(result, 'connected', `${service} ${way}`);
        else if (expected === 'either')
          t.match(result, /^connected (?:cut|open)$/, `${service} ${way}: ${result}, ${code}`);
        else t.equal(result, `connected ${expected}`, `${service} ${way}`);
        t.equal(lab.node(1).daemon?.alive, true, 'the daemon lives');
        if (!lab.node(1).daemon?.alive) return;
      }
      await story.settleAndCompare(`after ${service}`);
    }
    story.compareWithSent('in all');
    t.same(await story.rings(), rings, 'the ring did not change');
    await sleep(500);
    t.equal(shared(lab.node(1)).length, before, 'nothing is left in shared memory');
  });
});
