import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checking } from '../src/cli/checking-environment.ts';
import { loadConfiguration } from '../src/config/load.ts';
import type { TotemConfig } from '../src/config/totem-config.ts';
import { planSteps, type SimEventPlan, type SimPlan, type SimRun } from '../src/sim/cluster.ts';
import { predict } from '../src/sim/predict.ts';
import { COUNT, toolNumber, toolNumbers, toolOptions } from '../test/tool-options.ts';
import { spreadOf } from './statistics.ts';

/**
 * How a ring grows, on virtual time: the cores of the daemon for all nodes, a network with a latency, processors that take no time. What daemons
 * need on one machine is `npm run perf -- --nodes 3,8,16,32`.
 */
const USAGE = `node dist/perf/scale.js [options]   formation, failover, rotation and waits of large rings, on virtual time
  --nodes 3,8,16,32,64,128
  --latency 0.2                  one way, milliseconds; each packet half to one and a half times that
  --rate 1                       messages a second of each node
  --seeds 3                      runs
`;
const NODES_MAX = 384;
const EVENT_MS = 500;
const AFTER_MS = 3_000;
const CALM_MS = 2_000;

const values = toolOptions(USAGE, {
  nodes: { type: 'string', default: '3,8,16,32,64,128' },
  latency: { type: 'string', default: '0.2' },
  rate: { type: 'string', default: '1' },
  seeds: { type: 'string', default: '3' },
});
const nodeCounts = toolNumbers(USAGE, 'nodes', values.nodes, { min: 2, max: NODES_MAX });
const latencyMs = toolNumber(USAGE, 'latency', values.latency, { min: 0.001, max: 1_000, fractions: true });
const rate = toolNumber(USAGE, 'rate', values.rate, { min: 0.01, max: 10_000, fractions: true });
const seeds = toolNumber(USAGE, 'seeds', values.seeds, COUNT);

/** Defaults throughout: the token timeout grows with the ring, as `token_coefficient` has it. */
async function configuration(nodes: number, directory: string): Promise<TotemConfig> {
  const list = Array.from({ length: nodes }, (_, at) => {
    const address = `10.0.${(at + 1) >> 8}.${(at + 1) & 255}`;
    return `node {\n nodeid: ${at + 1}\n name: n${at + 1}\n ring0_addr: ${address}\n}`;
  });
  const file = join(directory, `${nodes}.conf`);
  writeFileSync(file, `totem {\n version: 2\n transport: knet\n}\nnodelist {\n${list.join('\n')}\n}\n`);
  const result = await loadConfiguration({ file }, { purpose: 'test', ...checking('n1') });
  if (!result.ok) throw new Error(result.errors[0]?.message);
  result.key?.wipe();
  return result.totem;
}

const ms = (value: number | undefined): string =>
  value === undefined ? 'never' : value < 10 ? value.toFixed(1) : value.toFixed(0);

function runPlan(plan: SimPlan, seed: number): SimRun {
  const steps = planSteps(plan, seed);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

async function row(totem: TotemConfig): Promise<string> {
  const nodes = totem.members.length;
  const base: SimPlan = { totem, events: [], loss: 0, latencyMs, rate, forMs: CALM_MS };
  const calm = Array.from({ length: seeds }, (_, at) => runPlan(base, at + 1));
  const waits = spreadOf(calm.flatMap(({ waitsMs }) => waitsMs));
  const lost = async (kind: 'kill' | 'power'): Promise<string> => {
    const event: SimEventPlan = { kind, atMs: EVENT_MS, node: nodes };
    const { failovers } = await predict({ ...base, events: [event], forMs: EVENT_MS + AFTER_MS }, seeds);
    return ms(failovers[0]?.failover?.median);
  };
  const cells = [
    nodes,
    totem.timings.tokenMs,
    ms(spreadOf(calm.flatMap(({ formedMs }) => formedMs ?? [])).median),
    ms(spreadOf(calm.map(({ rotationMs }) => rotationMs)).median),
    `${ms(waits.median)} (${ms(waits.low)}–${ms(waits.high)})`,
    await lost('kill'),
    await lost('power'),
  ];
  return `| ${cells.join(' | ')} |`;
}

const directory = mkdtempSync(join(tmpdir(), 'rondo-scale-'));
try {
  console.log(
    '| nodes | token timeout, ms | formation, ms | rotation, ms | a message, ms (least to most) | a process ends, ms | a host fails, ms |',
  );
  console.log('| --: | --: | --: | --: | --: | --: | --: |');
  for (const nodes of nodeCounts) console.log(await row(await configuration(nodes, directory)));
} finally {
  rmSync(directory, { recursive: true });
}
