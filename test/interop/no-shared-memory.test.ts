import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TOOLS } from '../../src/cli/stock/index.ts';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import { compareSequences, compareWithSent, LoadMember, settle } from './lab/load.ts';
import type { LabNode } from './lab/node.ts';
import { until } from './lab/process.ts';
import { runTool, TOOL_CASES } from './lab/tools.ts';

/** Hosts on which nothing can be put into `/dev/shm`: clients talk over sockets, or the log says what is missing. */
const HOSTS = {
  'read-only /dev/shm': 'mount -o remount,ro /dev/shm',
  'no /dev/shm': `
    mkdir /run/dev && mount --rbind /dev /run/dev && mount -t tmpfs -o mode=755 tmpfs /dev &&
    for name in null zero full random urandom tty; do touch /dev/$name && mount --bind /run/dev/$name /dev/$name; done &&
    ln -s /proc/self/fd /dev/fd`,
};
/** What is the same on all hosts with one node: the tools' status, values, and lists. */
const NAMES = ['keys with a prefix', 'get', 'status', 'nodes', 'list'];
const READY_MS = 30_000;
const LOGGED_MS = 20_000;

async function hostOf(script: string, system: readonly string[]): Promise<Lab> {
  const lab = await Lab.create({ transport: 'knet', system }, ['ours']);
  try {
    await lab.node(1).space.shell(script);
    lab.node(1).startDaemon();
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

const logged = (node: LabNode, text: RegExp): Promise<true> =>
  until(`${text} in the log`, async () => (text.test(node.log()) ? true : null), LOGGED_MS);

for (const [name, script] of Object.entries(HOSTS)) {
  t.test(name, { skip: skipReason(['ours'], false, name) }, async (t) => {
    t.setTimeout(200_000);
    const own = t.testdir({});
    for (const tool of TOOLS) symlinkSync(join(process.cwd(), 'bin/corosync-tool'), join(own, tool.name));

    await t.test('qb_ipc_type: socket', async (t) => {
      const lab = await hostOf(script, ['qb_ipc_type: socket']);
      t.teardown(() => lab.close());
      const node = lab.node(1);
      await lab.waitRing([node], READY_MS);
      t.not((await node.space.run('touch', ['/dev/shm/file'])).code, 0, 'nothing can be put there');
      const cases = TOOL_CASES.filter(
        ({ name: what, command, args }) =>
          NAMES.includes(what) || (command === 'corosync-cpgtool' && args.length === 0),
      );
      t.ok(cases.length > 4, `${cases.length} orders`);
      for (const tool of cases) {
        const stock = await runTool(node, tool);
        const line = `${tool.command} ${tool.args.join(' ')}`;
        t.equal(stock.status, 0, `stock’s ${line}: ${stock.stderr.join(' ')}`);
        t.same(await runTool(node, tool, own), stock, `ours, too: ${line}`);
      }
      const members = [await LoadMember.join(node), await LoadMember.join(node)];
      await settle(members, 30_000);
      for (const member of members) member.mark();
      for (const [index, member] of members.entries()) member.send(200, 10, 150_000, index + 1);
      await settle(members, 60_000);
      t.same(compareSequences(members), [], 'members of a group of libcpg’s receive the same in the same order');
      t.same(compareWithSent(members), [], 'nothing is lost');
      for (const member of members) await member.leave();
      t.equal(await node.stopDaemon(), 0);
      t.equal((await node.space.shell('ls /run')).match(/^qb-/m), null, 'no directory of a connection is left');
    });

    await t.test('qb_ipc_type: native', async (t) => {
      const lab = await hostOf(script, []);
      t.teardown(() => lab.close());
      const node = lab.node(1);
      await logged(node, /\/dev\/shm cannot be written \(E\w+\): no client can connect\. .*qb_ipc_type: socket/);
      await logged(node, /Completed service synchronization/);
      const { code, stderr } = await node.tool('corosync-cfgtool', '-s');
      t.not(code, 0, `a client is refused: ${stderr.trim()}`);
      await logged(node, /cannot connect to cfg: E\w+, there is no room for ring files in \/dev\/shm/);
      t.equal(await node.stopDaemon(), 0);
    });
  });
}
