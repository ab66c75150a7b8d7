import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { program } from './lab/programs.ts';

/** Stock's SAM library: the same lives, and the same keys in cmap, whichever daemon serves it. */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
const POLICIES: readonly (readonly [string, number])[] = [
  ['restart', 0],
  ['restart and quorum', 8],
  ['restart and cmap', 16],
];

async function live(kind: DaemonKind): Promise<Record<string, unknown>> {
  const lab = await Lab.up({ transport: 'udpu' }, [kind]);
  const node = lab.node(1);
  const sam = await program('sam');
  const seen: Record<string, unknown> = {};
  try {
    for (const [name, policy] of POLICIES) {
      const tracker = node.space.start('corosync-cmapctl', ['-T', 'resources.process.']);
      const running = node.space.start(sam, [String(policy)]);
      const { code } = await running.exited;
      await tracker.stop('SIGTERM');
      const events = tracker.output
        .replaceAll(/resources\.process\.\d+/g, 'resources.process.PID')
        .split('\n')
        .filter((line) => line !== '' && !line.includes('last_updated'));
      seen[name] = { code, output: running.output.split('\n'), events };
    }
    return seen;
  } finally {
    await lab.close();
  }
}

t.test('the SAM library of stock', { skip: skipReason([OURS]) }, async (t) => {
  t.setTimeout(200_000);
  const [stock, ours] = [await live('stock'), await live(OURS)];
  for (const [name] of POLICIES) t.same(ours[name], stock[name], name);
  t.match(ours['restart and cmap'], { code: 33 });
  t.match(JSON.stringify(ours['restart and cmap']), /instance 3/);
});
