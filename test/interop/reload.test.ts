import { readFileSync, rmSync } from 'node:fs';
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

const MIXED: readonly DaemonKind[] = ['stock', 'ours', 'stock'];
const dead = `a file that is never read, as on a dead file server: ${describe(MIXED)}`;
t.test(dead, { skip: skipReason(MIXED, true, dead) }, async (t) => {
  t.setTimeout(180_000);
  const lab = await Lab.up({ transport: 'udpu' }, MIXED);
  t.teardown(() => lab.close());
  const [one, ours, three] = lab.nodes;
  const reload = () => one!.tool('corosync-cfgtool', '-R');
  const expected = (node: typeof one, votes: number) =>
    until(`${node!.plan.name}: expected votes ${votes}`, async () => {
      const { stdout } = await node!.tool('corosync-quorumtool', '-s');
      return new RegExp(`^Expected votes:   ${votes}$`, 'm').test(stdout) ? true : null;
    });
  const text = readFileSync(ours!.confFile, 'utf8');
  rmSync(ours!.confFile);
  await ours!.space.run('mkfifo', [ours!.confFile]);
  t.match(await reload(), { code: 0 });
  const startMs = performance.now();
  await three!.tool('corosync-quorumtool', '-e', '4');
  await expected(three, 4);
  t.equal(await ours!.cmap('totem.cluster_name'), 'lab', 'clients are served');
  await expected(ours, 4);
  const heldMs = performance.now() - startMs;
  t.ok(heldMs > 2_500 && heldMs < 10_000, `what followed the reload waited for it, but not for ever: ${heldMs} ms`);
  t.match(ours!.log(), /The reload that node 1 has requested is not done \(it has taken 3 s so far\)/);
  await until('the reload is refused', async () => (/is still being read/.test(ours!.log()) ? true : null));
  t.match(await ours!.cmap('config.reload_error_message'), /is still being read\. Nothing was changed/);

  rmSync(ours!.confFile);
  ours!.writeConf(text);
  t.match(await reload(), { code: 0 });
  await until('the reading goes on, so that is refused, too', async () =>
    ours!.log().split('is still being read').length > 2 ? true : null,
  );
  const stopMs = performance.now();
  t.equal(await ours!.stopDaemon(), 0, 'an orderly stop');
  t.ok(performance.now() - stopMs < 10_000, 'in time');
});
