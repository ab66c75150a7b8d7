import { labUnavailable } from '../test/interop/lab/host.ts';
import type { DaemonKind } from '../test/interop/lab/node.ts';
import { COUNT, toolNumber, toolNumbers, toolOptions, toolWords } from '../test/tool-options.ts';
import { type Row, save } from './history.ts';
import type { Figures } from './measures.ts';
import { nodeBuild } from './node-build.ts';
import { CONDITIONS, DRESS_NAMES, MEASURED_SECONDS, MESSAGE_BYTES_MAX, type Setup } from './rig.ts';
import { MEASURES, measureRing, type Wanted } from './rows.ts';
import { spreads } from './statistics.ts';

/**
 * Stock's daemon and ours in turn, same machine, same run, same C clients; every figure is the median of the rounds.
 */
const MEASURES_TEXT = MEASURES.join(',');
const USAGE = `npm run perf -- [options]        stock's daemon and ours in turn, beside the same C clients
  --measures ${MEASURES_TEXT}
  --nodes 1,2,3,5,8
  --dress udpu,knet,secure
  --conditions quiet             of ${CONDITIONS.join(',')}
  --sizes 64,1400,10000,100000,1000000   bytes
  --losses 0,1,5,20              percent of each node's incoming datagrams
  --seconds 2 --rounds 5 --warmup 2
  --node VERSION                 Node.js of our daemons: a version that npm has (24), or a path; default the one that runs this
  --history                      adds the figures to perf/history/; node dist/perf/report.js writes them into docs/performance.md
`;

const values = toolOptions(USAGE, {
  measures: { type: 'string', default: MEASURES_TEXT },
  nodes: { type: 'string', default: '1,2,3,5,8' },
  dress: { type: 'string', default: DRESS_NAMES.join(',') },
  conditions: { type: 'string', default: 'quiet' },
  sizes: { type: 'string', default: '64,1400,10000,100000,1000000' },
  losses: { type: 'string', default: '0,1,5,20' },
  seconds: { type: 'string', default: '2' },
  rounds: { type: 'string', default: '5' },
  warmup: { type: 'string', default: '2' },
  node: { type: 'string', default: '' },
  history: { type: 'boolean', default: false },
});
const wanted: Wanted = {
  measures: toolWords(USAGE, 'measures', values.measures, MEASURES),
  sizes: toolNumbers(USAGE, 'sizes', values.sizes, { min: 1, max: MESSAGE_BYTES_MAX }),
  losses: toolNumbers(USAGE, 'losses', values.losses, { min: 0, max: 100, fractions: true }),
  seconds: toolNumber(USAGE, 'seconds', values.seconds, MEASURED_SECONDS),
  warmup: toolNumber(USAGE, 'warmup', values.warmup, { ...MEASURED_SECONDS, min: 0 }),
};
const nodeCounts = toolNumbers(USAGE, 'nodes', values.nodes, { min: 1, max: 64 });
const dresses = toolWords(USAGE, 'dress', values.dress, DRESS_NAMES);
const conditions = toolWords(USAGE, 'conditions', values.conditions, CONDITIONS);
const rounds = toolNumber(USAGE, 'rounds', values.rounds, COUNT);
const KINDS: readonly DaemonKind[] = ['stock', 'ours'];

const unavailable = labUnavailable();
if (unavailable !== false) {
  console.log(`the performance suite cannot run here: ${unavailable}`);
  process.exit(1);
}

async function compare(setup: Setup): Promise<Row[]> {
  const found: Record<string, Map<string, Figures>[]> = { stock: [], ours: [] };
  for (let round = 0; round < rounds; round++)
    for (const kind of KINDS) found[kind]?.push(await measureRing(setup, kind, wanted));
  const names = [...(found['ours']?.[0]?.keys() ?? [])];
  const { nodes, dress, condition } = setup;
  return names.map((what) => {
    const [stock, ours] = KINDS.map((kind) => spreads((found[kind] ?? []).map((rows) => rows.get(what) ?? {})));
    return { nodes, dress, condition, what, stock: stock ?? {}, ours: ours ?? {} };
  });
}

function print({ nodes, dress, condition, what, stock, ours }: Row): void {
  const texts = Object.entries(ours).map(([name, own]) => {
    const other = stock[name];
    const show = (value: number | undefined): string => (value === undefined ? '-' : value.toPrecision(3));
    const ratio = other === undefined ? Number.NaN : own.median / other.median;
    return `${name} ${show(own.median)} (${show(own.low)}-${show(own.high)}) : ${show(other?.median)} (${show(other?.low)}-${show(other?.high)}) = ${ratio.toFixed(2)}`;
  });
  console.log([nodes, dress, condition, what.padEnd(18), ...texts].join(' | '));
}

const { build, version } = await nodeBuild(values.node);
const rows: Row[] = [];
const keep = (): string => save(rows, values, version, values.history);
console.log('nodes | dress | condition | what | figure ours (spread) : stock (spread) = ratio');
for (const condition of conditions) {
  for (const nodes of nodeCounts) {
    for (const dress of dresses) {
      const found = await compare({ nodes, dress, condition, ...(build === undefined ? {} : { build }) });
      for (const row of found) print(row);
      rows.push(...found);
      keep(); // what was measured is kept, whatever ends the rest
    }
  }
}
console.log(keep());
