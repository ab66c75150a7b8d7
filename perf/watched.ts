import { setTimeout as delay } from 'node:timers/promises';
import { labUnavailable } from '../test/interop/lab/host.ts';
import type { Running } from '../test/interop/lab/process.ts';
import { program } from '../test/interop/lab/programs.ts';
import { COUNT, toolNumber, toolOptions, toolWords } from '../test/tool-options.ts';
import { type Figures, groupOf, throughput } from './measures.ts';
import { CONDITIONS, DRESS_NAMES, MEASURED_SECONDS, Rig, type Setup } from './rig.ts';
import { spreadOf } from './statistics.ts';

/**
 * What it costs to be watched: two rings stand beside each other, one as it comes, without flight recorder and without addresses of the
 * web, one with all of it, read all the time. They are loaded in turn (plain, watched, watched, plain), so that whatever the machine
 * does meanwhile is the same for both; a ratio belongs to one such round, and the result is the median of the rounds.
 */

/** A ring that nobody uses: its cost a second does not depend on how much went through. */
const IDLE = 'idle';
const LOADS = ['64', '1400', '10000', IDLE] as const;
const NODES_MAX = 8;

const USAGE = `npm run perf:watched -- [options]   rates of a ring with metrics scraped every second, the page open and the recorder on, beside those of one without
  --nodes 3 --dress secure
  --condition quiet              ${CONDITIONS.join(', ')}
  --loads 64,1400,idle           bytes of a message, as many as go (10000, too); idle: none
  --seconds 1 --rounds 6 --warmup 40
  --rings 1                      pairs of rings, one after the other, with so many rounds each
  --pages 1                      nodes whose page is open; /metrics is scraped on all
`;

const values = toolOptions(USAGE, {
  nodes: { type: 'string', default: '3' },
  dress: { type: 'string', default: 'secure' },
  condition: { type: 'string', default: 'quiet' },
  loads: { type: 'string', default: '64,1400,idle' },
  seconds: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '6' },
  warmup: { type: 'string', default: '40' },
  rings: { type: 'string', default: '1' },
  pages: { type: 'string', default: '1' },
});

const PORT = 9180;
const PLAIN: readonly string[] = ['flight_size: 0'];
const WATCHED: readonly string[] = [`metrics: 127.0.0.1:${PORT}`, `dashboard: 127.0.0.1:${PORT}`];
const [loads, dress, condition] = [
  toolWords(USAGE, 'loads', values.loads, LOADS),
  toolWords(USAGE, 'dress', values.dress, DRESS_NAMES)[0],
  toolWords(USAGE, 'condition', values.condition, CONDITIONS)[0],
];
const nodes = toolNumber(USAGE, 'nodes', values.nodes, { min: 1, max: NODES_MAX });
const pages = toolNumber(USAGE, 'pages', values.pages, { min: 0, max: NODES_MAX });
const seconds = toolNumber(USAGE, 'seconds', values.seconds, MEASURED_SECONDS);
const roundCount = toolNumber(USAGE, 'rounds', values.rounds, COUNT);
const ringPairs = toolNumber(USAGE, 'rings', values.rings, COUNT);
const warmup = toolNumber(USAGE, 'warmup', values.warmup, { ...MEASURED_SECONDS, min: 0 });
const unavailable = labUnavailable();
if (unavailable !== false) {
  console.log(`the performance suite cannot run here: ${unavailable}`);
  process.exit(1);
}

interface Side {
  readonly rig: Rig;
  readonly watched: boolean;
}

/** What it costs, for a round of one kind of load: the plain ring first. */
type Pair = readonly [plain: Figures, watched: Figures];

const setup: Setup = {
  nodes,
  dress: dress ?? 'secure',
  condition: condition ?? 'quiet',
};
console.log('load | figure | plain | watched | watched / plain: median (lowest-highest) of the rounds');
const rounds = new Map<string, Pair[]>(loads.map((load) => [load, []]));
for (let pair = 0; pair < ringPairs; pair++)
  await Rig.with({ ...setup, system: PLAIN }, 'ours', (plain) =>
    Rig.with({ ...setup, system: WATCHED }, 'ours', (watched) =>
      compare([
        { rig: plain, watched: false },
        { rig: watched, watched: true },
      ]),
    ),
  );
console.log('\nmedians of all rounds');
for (const [load, pairs] of rounds) for (const name of Object.keys(pairs[0]?.[0] ?? {})) print(load, name, pairs);

async function compare(sides: readonly [plain: Side, watched: Side]): Promise<void> {
  const [plain, watched] = sides;
  for (const { rig } of sides) await rig.receivers(groupOf(1));
  await warmUp(sides);
  for (let round = 0; round < roundCount; round++)
    for (const load of loads) {
      const [first, second, third, fourth] = [
        await measure(plain, load),
        await measure(watched, load),
        await measure(watched, load),
        await measure(plain, load),
      ];
      const pair: Pair = [mean(first, fourth), mean(second, third)];
      rounds.get(load)?.push(pair);
      for (const name of Object.keys(pair[0])) print(load, name, [pair]);
    }
}

/** Hot code is compiled first; that of the web, which runs once or four times a second, takes the better part of a minute. */
async function warmUp([plain, watched]: readonly [Side, Side]): Promise<void> {
  await whileWatched(watched, async () => {
    const untilMs = performance.now() + warmup * 1000;
    for (const size of loads.filter((load) => /^\d+$/.test(load)))
      for (const { rig } of [plain, watched]) await rig.client('cpgbench', groupOf(1), size, 2);
    await delay(Math.max(0, untilMs - performance.now()));
  });
}

function measure(side: Side, load: string): Promise<Figures> {
  return whileWatched(side, () =>
    load === IDLE
      ? idleCost(side.rig)
      : throughput(side.rig, { bytes: Number(load), seconds, warmup: 0, syscalls: false }),
  );
}

/** Processor time a second, in milliseconds, of all threads of node 1. */
async function idleCost(rig: Rig): Promise<Figures> {
  const { cost } = await rig.cost(false, () => delay(seconds * 1000));
  return { cpuMsPerSecond: cost.cpuMs / seconds };
}

async function whileWatched<Result>({ rig, watched }: Side, work: () => Promise<Result>): Promise<Result> {
  if (!watched) return work();
  const path = await program('webwatch');
  const watchers: Running[] = rig.lab.nodes.map((node) =>
    node.space.start(path, [String(PORT), node.id <= pages ? '1' : '0']),
  );
  try {
    for (const watcher of watchers) await watcher.waitFor(/watching/);
    const result = await work();
    if (watchers.some(({ alive }) => !alive)) throw new Error('somebody has stopped watching');
    return result;
  } finally {
    for (const watcher of watchers) await watcher.stop();
  }
}

function mean(one: Figures, other: Figures): Figures {
  return Object.fromEntries(
    Object.entries(one).map(([name, value]) => [name, (value + (other[name] ?? Number.NaN)) / 2]),
  );
}

function print(load: string, name: string, pairs: readonly Pair[]): void {
  const of = (side: 0 | 1): readonly number[] => pairs.map((pair) => pair[side][name] ?? Number.NaN);
  const { median, low, high } = spreadOf(pairs.map(([plain, watched]) => (watched[name] ?? 0) / (plain[name] ?? 0)));
  const figures = [spreadOf(of(0)).median.toPrecision(3), spreadOf(of(1)).median.toPrecision(3)];
  const what = /^\d+$/.test(load) ? `${load} B` : load;
  console.log([what, name, ...figures, `${median.toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`].join(' | '));
}
