import t from 'tap';
import { describe, mixtures, skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { until } from './lab/process.ts';

/** The quorum provider ykd: rings of ours, of stock, and mixed ones decide alike. */
for (const kinds of mixtures([
  ['ours', 'ours', 'ours'],
  ['ours', 'stock', 'stock'],
  ['stock', 'ours', 'ours'],
]) as readonly (readonly DaemonKind[])[]) {
  t.test(`ykd, ${describe(kinds)}`, { skip: skipReason(kinds) }, async (t) => {
    t.setTimeout(120_000);
    const lab = await Lab.up({ transport: 'udpu', quorum: ['provider: corosync_ykd'] }, kinds);
    const [one, two, three] = lab.nodes;
    const quorate = async (...wanted: (boolean | null)[]) =>
      until(`quorate ${wanted.join()}`, async () => {
        const said = await Promise.all(
          lab.nodes.map(async (node) => {
            if (!node.daemon?.alive) return null;
            const { stdout } = await node.tool('corosync-quorumtool', '-s');
            return /^Quorate:\s+Yes$/m.test(stdout);
          }),
        );
        return said.join() === wanted.join() ? true : null;
      });
    try {
      t.ok(await quorate(true, true, true), 'all');
      await one!.cut();
      t.ok(await quorate(false, true, true), 'one cut off');
      await one!.heal();
      t.ok(await quorate(true, true, true), 'healed');
      await three!.killDaemon();
      t.ok(await quorate(true, true, null), 'one dead');
      await two!.killDaemon();
      t.ok(await quorate(true, null, null), 'half of the last component goes on');
    } catch (error) {
      t.comment(lab.logs(40));
      throw error;
    } finally {
      await lab.close();
    }
  });
}
