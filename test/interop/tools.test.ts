import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TOOLS } from '../../src/cli/stock/index.ts';
import { FULL, skipReason } from './lab/cases.ts';
import type { ClusterOptions } from './lab/conf.ts';
import { Lab } from './lab/lab.ts';
import { LoadMember } from './lab/load.ts';
import type { DaemonKind } from './lab/node.ts';
import { sleep } from './lab/process.ts';
import { runTool, showsRing, TOOL_CASES, type ToolOutput } from './lab/tools.ts';

/** Stock's tools print against our daemon what they print against stock's; so do ours, under stock's names. */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
const cases: readonly ClusterOptions[] = [
  { transport: 'udpu' },
  { transport: 'knet', links: 2, crypto: { cipher: 'aes256', hash: 'sha256' } },
];

/** A directory with our commands under stock's names. */
function ownTools(t: Pick<Test, 'testdir'>): string {
  const directory = t.testdir({});
  for (const { name } of TOOLS) symlinkSync(join(process.cwd(), 'bin/corosync-tool'), join(directory, name));
  return directory;
}

async function observe(
  options: ClusterOptions,
  first: DaemonKind,
  tools: string | null = null,
): Promise<Map<string, ToolOutput>> {
  const lab = await Lab.up(options, [first, 'stock', 'stock'], true);
  try {
    const members = [];
    for (const node of lab.nodes) members.push(await LoadMember.join(node, 'my group'));
    await sleep(2500);
    const outputs = new Map<string, ToolOutput>();
    // A process of ours takes a hundred times as long to start as one of stock's: the rest of them over the first ring only.
    const everything = FULL || tools === null || options === cases[0];
    for (const tool of everything ? TOOL_CASES : TOOL_CASES.filter(showsRing)) {
      const output = await runTool(lab.node(1), tool, tools);
      outputs.set(`${tool.command.replace('corosync-', '')}: ${tool.name}`, output);
      if (output.stderr.some((line) => line.includes('killed after')))
        throw new Error(`${tool.name} hangs\n${lab.logs()}`);
    }
    return outputs;
  } finally {
    await lab.close();
  }
}

/** Clients set values, and the terminal of whoever looks at them obeys none of it. Into a pipe everything goes as it is. */
t.test('values of others on a terminal', { skip: skipReason([OURS]) }, async (t) => {
  const lab = await Lab.up({ transport: 'udpu' }, [OURS]);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const own = ownTools(t);
  const hostile = 'a\u001b[2J\u009b2J\rb\u202ec';
  await node.tool('corosync-cmapctl', '-s', 'terminal.key', 'str', hostile);
  const piped = (tool: string) => node.space.run('sh', ['-c', `exec ${tool} -g terminal.key`]);
  t.equal((await piped(`${own}/corosync-cmapctl`)).stdout, (await piped('corosync-cmapctl')).stdout, 'a pipe');
  const onTerminal = async (command: string): Promise<string> =>
    (await node.space.run('script', ['-qec', `${own}/${command}`, '/dev/null'])).stdout;
  for (const command of ['corosync-cmapctl -g terminal.key', 'corosync-cmapctl terminal.']) {
    const text = await onTerminal(command);
    t.match(text, 'a\\x1b[2J\\x9b2J\\x0db\\u202ec', command);
    t.notMatch(text.replaceAll('\r\n', ''), /[\p{Cc}\u202e]/u, command);
  }
});

for (const options of cases) {
  t.test(`tools over ${options.transport}`, { skip: skipReason([OURS]) }, async (t) => {
    t.setTimeout(600_000);
    const [stock, ours, own] = await Promise.all([
      observe(options, 'stock'),
      observe(options, OURS),
      observe(options, OURS, ownTools(t)),
    ]);
    for (const [name, expected] of stock) t.same(ours.get(name), expected, name);
    for (const [name, output] of own) t.same(output, stock.get(name), `${name}: our tool`);
    t.ok(own.size > 40, `${own.size} of our tools`);
  });
}
