import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TOOLS } from '../../src/cli/stock/index.ts';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import { compareSequences, compareWithSent, LoadMember, settle } from './lab/load.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { runTool, TOOL_CASES, type ToolOutput } from './lab/tools.ts';

/** `qb_ipc_type: socket`: clients of stock's library and ours talk to both daemons over datagrams, and do not notice. */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
/** Requests, responses of all sizes, and events of each service. */
const NAMES = ['keys with a prefix', 'get', 'watched key', 'status', 'nodes', 'list'];

/** Datagram sockets of connections that daemon and clients of a node have open. */
async function datagramSockets(node: LabNode): Promise<number> {
  const { stdout } = await node.space.run('cat', ['/proc/net/unix']);
  return stdout.split('\n').filter((line) => /@\S*\/qb-\d+-\d+-\d+-\w+\/qb-\w+-request/.test(line)).length;
}

t.test('a ring whose clients use sockets', { skip: skipReason([OURS, 'stock']) }, async (t) => {
  t.setTimeout(200_000);
  const lab = await Lab.up({ transport: 'knet', system: ['qb_ipc_type: socket'] }, [OURS, 'stock']);
  t.teardown(() => lab.close());
  const own = t.testdir({});
  for (const { name } of TOOLS) symlinkSync(join(process.cwd(), 'bin/corosync-tool'), join(own, name));
  const members = [];
  for (const node of lab.nodes) for (let i = 0; i < 2; i++) members.push(await LoadMember.join(node));
  for (const node of lab.nodes) {
    const count = await datagramSockets(node);
    t.ok(count >= 2, `${node.kind}: ${count} connections`);
  }
  await settle(members, 30_000);
  for (const member of members) member.mark(); // they joined one after the other
  for (const [index, member] of members.entries()) member.send(400, 10, 150_000, index + 1);
  await settle(members, 120_000);
  t.same(compareSequences(members), [], 'all receive the same in the same order');
  t.same(compareWithSent(members), [], 'nothing is lost');
  const [ours, stock] = [lab.node(1), lab.node(2)];
  const cases = TOOL_CASES.filter(
    ({ name, command, args }) => NAMES.includes(name) || (command === 'corosync-cpgtool' && args.length === 0),
  );
  t.ok(cases.length > 5, `${cases.length} orders`);
  for (const tool of cases) {
    const by = async (node: LabNode, directory: string | null): Promise<ToolOutput> => runTool(node, tool, directory);
    t.same(await by(ours, own), await by(ours, null), `ours, with both tools: ${tool.command} ${tool.args.join(' ')}`);
    t.same(
      await by(stock, own),
      await by(stock, null),
      `stock, with both tools: ${tool.command} ${tool.args.join(' ')}`,
    );
  }
  for (const member of members) await member.leave();
});
