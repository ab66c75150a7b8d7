import { join } from 'node:path';
import { ROOT } from './host.ts';
import type { LabNode } from './node.ts';
import { until } from './process.ts';

const RONDO = join(ROOT, 'bin/rondo');
/** On a machine that has much else to do the doctor takes its time. */
const RUN_MS_MAX = 90_000;

export interface Finding {
  readonly code: string;
  readonly severity: string;
  readonly what: string;
  readonly evidence: readonly string[];
}

/** What `rondo doctor` finds on a node now. */
export async function findings(
  node: LabNode,
  ...args: readonly string[]
): Promise<{ status: number; found: readonly Finding[] }> {
  const { code, stdout, stderr } = await node.space.run(RONDO, ['doctor', '--json', ...args], {
    timeoutMs: RUN_MS_MAX,
  });
  if (stdout === '') throw new Error(`doctor: status ${code}: ${stderr}`);
  return { status: code, found: JSON.parse(stdout).findings };
}

/** Asks again until the code is among the findings: links need their time to go down. `seconds`: for how long the doctor looks. */
export async function finding(node: LabNode, code: string, seconds = 1, timeoutMs = 2 * RUN_MS_MAX): Promise<Finding> {
  let last: readonly Finding[] = [];
  return await until(
    `${code} on ${node.plan.name}`,
    async () => {
      const { status, found } = await findings(node, '--seconds', String(seconds));
      last = found;
      const one = found.find((each) => each.code === code);
      if (one !== undefined && one.severity === 'error' && status !== 4)
        throw new Error(`status ${status} with an error`);
      return one ?? null;
    },
    timeoutMs,
  ).catch((error: Error) => {
    throw new Error(
      `${error.message}; found: ${last.map((each) => `${each.code} ${each.what} (${each.evidence.join(', ')})`).join('; ')}`,
    );
  });
}
