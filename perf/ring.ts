import { labUnavailable } from '../test/interop/lab/host.ts';
import type { DaemonKind } from '../test/interop/lab/node.ts';
import { COUNT, toolNumber, toolNumbers, toolOptions, toolWords } from '../test/tool-options.ts';
import { memory, startTimes } from './footprint.ts';
import { type Row, save } from './history.ts';
import { type Figures, idle, message, request, scheduled, smallWrites, throughput } from './measures.ts';
import { CONDITIONS, DRESS_NAMES, MEASURED_SECONDS, MESSAGE_BYTES_MAX, Rig, type Setup } from './rig.ts';
import { spreads } from './statistics.ts';

/**
 * Stock's daemon and ours in turn, same machine, same run, same C clients; every figure is the median of the rounds.
 */
const USAGE = `npm run perf -- [options]        stock's daemon and ours in turn, beside the same C clients
  --measures throughput,message,half,requests,writes,idle,start,memory
  --nodes 1,3
  --dress udpu,knet,secure
  --conditions quiet             of quiet,ordinary,neighbour,onecore
  --sizes 64,1400,10000,100000   bytes
  --seconds 2 --rounds 5 --warmup 2
  --history                      adds the figures to perf/history/; node dist/perf/report.js writes them into docs/performance.md
`;

const values = toolOptions(USAGE, {
  measures: { type: 'string', default: 'throughput,message,half,requests,writes,idle,start,memory' },
  nodes: { type: 'string', default: '1,3' },
  dress: { type: 'string', default: 'udpu,knet,secure' },
  conditions: { type: 'string', default: 'quiet' },
  sizes: { type: 'string', default: '64,1400,10000,100000' },
  seconds: { type: 'string', default: '2' },
  rounds: { type: 'string', default: '5' },
  warmup: { type: 'string', default: '2' },
  history: { type: 'boolean', default: false },
});
const MEASURES = ['throughput', 'message', 'half', 'requests', 'writes', 'idle', 'start', 'memory'] as const;
const measures = toolWords(USAGE, 'measures', values.measures, MEASURES);
const nodeCounts = toolNumbers(USAGE, 'nodes', values.nodes, { min: 1, max: 64 });
const dresses = toolWords(USAGE, 'dress', values.dress, DRESS_NAMES);
const conditions = toolWords(USAGE, 'conditions', values.conditions, CONDITIONS);
const sizes = toolNumbers(USAGE, 'sizes', values.sizes, { min: 1, max: MESSAGE_BYTES_MAX });
const seconds = toolNumber(USAGE, 'seconds', values.seconds, MEASURED_SECONDS);
const rounds = toolNumber(USAGE, 'rounds', values.rounds, COUNT);
const warmup = toolNumber(USAGE, 'warmup', values.warmup, { ...MEASURED_SECONDS, min: 0 });
const ROUND_TRIPS = 4000;
const KINDS: readonly DaemonKind[] = ['stock', 'ours'];

const unavailable = labUnavailable();
if (unavailable !== false) {
  console.log(`the performance suite cannot run here: ${unavailable}`);
  process.exit(1);
}

/** All figures of one ring, row by row. */
async function measureRing(setup: Setup, kind: DaemonKind, halfRate: number): Promise<Map<string, Figures>> {
  const rows = new Map<string, Figures>();
  await Rig.with(setup, kind, async (rig) => {
    if (measures.includes('start')) rows.set('start', await startTimes(rig));
    if (measures.includes('memory')) rows.set('memory', await memory(rig, Math.max(5, seconds)));
    if (measures.includes('idle')) rows.set('idle', await idle(rig, Math.max(4, seconds)));
    if (measures.includes('writes')) rows.set('200 small writes', await smallWrites(rig));
    if (measures.includes('requests')) {
      rows.set('cmap_get', await request(rig, 'cmap', ROUND_TRIPS));
      rows.set('quorum_getquorate', await request(rig, 'quorum', ROUND_TRIPS));
    }
    if (measures.includes('message')) rows.set('one message', await message(rig, ROUND_TRIPS));
    if (measures.includes('half')) rows.set(`${halfRate} messages/s`, await scheduled(rig, halfRate, seconds));
    if (!measures.includes('throughput')) return;
    await rig.receivers('perf');
    for (const bytes of sizes) rows.set(`${bytes} B`, await throughput(rig, bytes, seconds, warmup));
  });
  return rows;
}

/** A rate that both kinds of daemon carry, so that their waits can be compared. */
const HALF_LOAD = 10_000;

async function compare(setup: Setup): Promise<Row[]> {
  const found: Record<string, Map<string, Figures>[]> = { stock: [], ours: [] };
  for (let round = 0; round < rounds; round++)
    for (const kind of KINDS) found[kind]?.push(await measureRing(setup, kind, HALF_LOAD));
  const names = [...(found['ours']?.[0]?.keys() ?? [])];
  return names.map((what) => {
    const [stock, ours] = KINDS.map((kind) => spreads((found[kind] ?? []).map((rows) => rows.get(what) ?? {})));
    return { ...setup, what, stock: stock ?? {}, ours: ours ?? {} };
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

const rows: Row[] = [];
console.log('nodes | dress | condition | what | figure ours (spread) : stock (spread) = ratio');
for (const condition of conditions) {
  for (const nodes of nodeCounts) {
    for (const dress of dresses) {
      const found = await compare({ nodes, dress, condition });
      for (const row of found) print(row);
      rows.push(...found);
      save(rows, values, values.history); // what was measured is kept, whatever ends the rest
    }
  }
}
console.log(save(rows, values, values.history));
