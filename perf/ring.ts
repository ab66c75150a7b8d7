import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ClusterOptions } from '../test/interop/lab/conf.ts';
import { labUnavailable, ROOT } from '../test/interop/lab/host.ts';
import { Lab } from '../test/interop/lab/lab.ts';
import type { DaemonKind } from '../test/interop/lab/node.ts';
import { program } from '../test/interop/lab/programs.ts';

/**
 * Throughput of a ring: stock's daemon and ours in turn, same machine, same run, same C client on libcpg.
 *
 *   npm run perf -- [--nodes 1,2,3] [--dress udpu,knet,secure] [--sizes 64,1400,10000,100000] [--seconds 2] [--rounds 2] [--warmup 2]
 *
 * One client of node 1 multicasts without a pause and counts what it gets back; the other nodes have a member that only receives.
 * Every figure is the best of the rounds: what disturbs a run only makes it slower. Only ratios say anything about the daemons.
 */
/** As in production: both daemons run under SCHED_RR. */
const REALTIME = ['sched_rr: yes'];
const DRESSES: Readonly<Record<string, ClusterOptions>> = {
  udpu: { transport: 'udpu', system: REALTIME },
  knet: { transport: 'knet', system: REALTIME },
  secure: { transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' }, system: REALTIME },
};

interface Figure {
  readonly nodes: number;
  readonly dress: string;
  readonly size: number;
  readonly stockPerSec: number;
  readonly oursPerSec: number;
  readonly ratio: number;
}

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1,2,3' },
    dress: { type: 'string', default: 'udpu,knet,secure' },
    sizes: { type: 'string', default: '64,1400,10000,100000' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '2' },
    warmup: { type: 'string', default: '2' },
  },
});
const numbers = (text: string): number[] => text.split(',').map(Number);

const unavailable = labUnavailable();
if (unavailable !== false) {
  console.log(`the performance suite cannot run here: ${unavailable}`);
  process.exit(1);
}

const figures: Figure[] = [];
console.log('nodes dress   size B   stock msg/s    ours msg/s   ratio');
for (const nodes of numbers(values.nodes)) {
  for (const dress of values.dress.split(',')) await compare(nodes, dress);
}
save();

async function compare(nodes: number, dress: string): Promise<void> {
  const sizes = numbers(values.sizes);
  const best: Record<'stock' | 'ours', number[]> = { stock: sizes.map(() => 0), ours: sizes.map(() => 0) };
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const kind of ['stock', 'ours'] as const) {
      const perSec = await measure(nodes, dress, sizes, kind);
      best[kind] = best[kind].map((value, at) => Math.max(value, perSec[at] ?? 0));
    }
  }
  for (const [at, size] of sizes.entries()) {
    const [stockPerSec, oursPerSec] = [best.stock[at] ?? 0, best.ours[at] ?? 0];
    const figure = { nodes, dress, size, stockPerSec, oursPerSec, ratio: oursPerSec / stockPerSec };
    figures.push(figure);
    const columns = [
      String(nodes).padEnd(5),
      dress.padEnd(6),
      String(size).padStart(7),
      stockPerSec.toFixed(0).padStart(13),
      oursPerSec.toFixed(0).padStart(13),
      figure.ratio.toFixed(2).padStart(7),
    ];
    console.log(columns.join(' '));
  }
}

/** Messages a second for each size. */
async function measure(nodes: number, dress: string, sizes: readonly number[], kind: DaemonKind): Promise<number[]> {
  const options = DRESSES[dress];
  if (options === undefined) throw new Error(`no dress '${dress}'; there are ${Object.keys(DRESSES).join(', ')}`);
  const bench = await program('cpgbench');
  const lab = await Lab.up(
    options,
    Array.from({ length: nodes }, () => kind),
  );
  try {
    const receivers = lab.nodes.slice(1).map((node) => node.space.start(bench, ['perf', '0', '0', 'quiet']));
    for (const receiver of receivers) await receiver.waitFor(/ready/);
    const results: number[] = [];
    // A fresh process compiles its hot code during the first seconds; a daemon runs for months.
    for (const size of sizes) await lab.node(1).space.run(bench, ['perf', String(size), values.warmup]);
    for (const size of sizes) {
      const args = ['perf', String(size), values.seconds];
      const { code, stdout, stderr } = await lab.node(1).space.run(bench, args, { timeoutMs: 60_000 });
      if (code !== 0) throw new Error(`${kind}, ${size} bytes: ${stderr}\n${lab.logs()}`);
      results.push((JSON.parse(stdout) as { perSecond: number }).perSecond);
    }
    for (const receiver of receivers) await receiver.stop('SIGKILL');
    return results;
  } finally {
    await lab.close();
  }
}

function save(): void {
  const directory = join(ROOT, 'perf/results');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `ring-${new Date().toISOString().replace(/[:.]/g, '-')}.json`);
  const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, kernel: release(), node: process.version };
  writeFileSync(file, `${JSON.stringify({ machine, options: values, figures }, null, 2)}\n`);
  console.log(`machine: ${machine.cores} cores, ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}`);
}
