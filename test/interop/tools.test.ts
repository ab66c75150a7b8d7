import t from 'tap';
import { skipReason } from './lab/cases.ts';
import type { ClusterOptions } from './lab/conf.ts';
import { Lab } from './lab/lab.ts';
import { LoadMember } from './lab/load.ts';
import type { DaemonKind } from './lab/node.ts';
import { sleep } from './lab/process.ts';
import { runTool, TOOL_CASES, type ToolOutput } from './lab/tools.ts';

/** Stock's tools print against our daemon what they print against stock's. */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
const cases: readonly ClusterOptions[] = [
  { transport: 'udpu' },
  { transport: 'knet', links: 2, crypto: { cipher: 'aes256', hash: 'sha256' } },
];

async function observe(options: ClusterOptions, first: DaemonKind): Promise<Map<string, ToolOutput>> {
  const lab = await Lab.up(options, [first, 'stock', 'stock'], true);
  try {
    const members = [];
    for (const node of lab.nodes) members.push(await LoadMember.join(node, 'my group'));
    await sleep(2500);
    const outputs = new Map<string, ToolOutput>();
    for (const tool of TOOL_CASES) {
      const output = await runTool(lab.node(1), tool);
      outputs.set(`${tool.command.replace('corosync-', '')}: ${tool.name}`, output);
      if (output.stderr.some((line) => line.includes('killed after')))
        throw new Error(`${tool.name} hangs\n${lab.logs()}`);
    }
    return outputs;
  } finally {
    await lab.close();
  }
}

for (const options of cases) {
  t.test(`tools over ${options.transport}`, { skip: skipReason([OURS]) }, async (t) => {
    t.setTimeout(300_000);
    const stock = await observe(options, 'stock');
    const ours = await observe(options, OURS);
    for (const [name, expected] of stock) t.same(ours.get(name), expected, name);
  });
}
