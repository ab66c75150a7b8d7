import t from 'tap';
import { describe, mixtures, skipReason } from './lab/cases.ts';
import { corosyncConf } from './lab/conf.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';

/** Reload with different files on the nodes, a broken one, and a node list that grows and shrinks. */
const cases: readonly (readonly DaemonKind[])[] = mixtures([
  ['ours', 'ours', 'ours'],
  ['ours', 'stock', 'ours'],
]);

for (const kinds of cases) {
  const allOurs = kinds.every((kind) => kind === 'ours');
  t.test(`reload, ${describe(kinds)}`, { skip: skipReason(kinds) }, async (t) => {
    t.setTimeout(180_000);
    const lab = await Lab.up({ transport: 'udpu' }, kinds);
    const [first, , third] = lab.nodes;
    const reload = () => first!.tool('corosync-cfgtool', '-R');
    const tokens = () => Promise.all(lab.nodes.map((node) => node.cmap('runtime.config.totem.token')));
    try {
      lab.writeConfs({ tokenMs: 2000 });
      t.match(await reload(), { code: 0 });
      await until('the new token time everywhere', async () =>
        (await tokens()).every((token) => token === '2000') ? true : null,
      );

      t.comment('one broken file');
      lab.writeConfs({ tokenMs: 3000 });
      third!.writeConf('totem {\n');
      const broken = await reload();
      await sleep(1000);
      if (allOurs) {
        t.not(broken.code, 0, 'refused');
        t.same(await tokens(), ['2000', '2000', '2000'], 'on all nodes');
        t.match(await first!.cmap('config.reload_error_message'), /^node 3: /);
      } else {
        t.match(broken, { code: 0 }, 'stock asks nobody');
        t.same(await tokens(), ['3000', '3000', '2000']);
      }
      t.equal(await third!.cmap('totem.cluster_name'), 'lab', 'nothing half applied');
      t.not(await third!.cmap('config.totemconfig_reload_in_progress'), '1');

      t.comment('a node more, a node less');
      const plans = lab.nodes.map((node) => node.plan);
      const fourth = { id: 4, name: 'node4', addresses: ['10.91.0.4'] };
      const write = (list: typeof plans): void => {
        for (const node of lab.nodes) node.writeConf(corosyncConf({ transport: 'udpu', tokenMs: 2000 }, list));
      };
      const expected = async (votes: string) =>
        until(`expected votes ${votes}`, async () => {
          const said = await Promise.all(lab.nodes.map((node) => node.tool('corosync-quorumtool', '-s')));
          return said.every(({ stdout }) => new RegExp(`^Expected votes:   ${votes}$`, 'm').test(stdout)) ? true : null;
        });
      write([...plans, fourth]);
      t.match(await reload(), { code: 0 });
      t.ok(await expected('4'));
      write(plans);
      t.match(await reload(), { code: 0 });
      t.ok(await expected('3'));
    } catch (error) {
      t.comment(lab.logs(40));
      throw error;
    } finally {
      await lab.close();
    }
  });
}
