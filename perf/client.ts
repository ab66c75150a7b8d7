/**
 * The client of this project beside libcpg's, on the same daemon: one process that sends without a pause and gets its messages back, and one that
 * only receives what a C program sends.
 *
 *   node dist/perf/client.js [--kinds ours,stock] [--sizes 64,1400,100000] [--seconds 2] [--rounds 3] [--modes both,bothlent,receive,lend,borrow]
 *     [--flags '--single-threaded-gc']
 */

import { fileURLToPath } from 'node:url';
import type { Running } from '../test/interop/lab/process.ts';
import { program } from '../test/interop/lab/programs.ts';
import { COUNT, toolNumber, toolNumbers, toolOptions, toolWords } from '../test/tool-options.ts';
import type { LoopFigures } from './loop-watch.ts';
import { AHEAD_OF_OTHERS, MEASURED_SECONDS, MESSAGE_BYTES_MAX, Rig } from './rig.ts';
import { type Spread, spreadOf } from './statistics.ts';

const USAGE = `node dist/perf/client.js [options]   the client of this project beside libcpg's, on the same daemon
  --kinds ours,stock             daemons
  --sizes 64,1400,100000         bytes
  --seconds 2 --rounds 3
  --modes both,bothlent,receive,lend,borrow
  --flags "..."                  of Node.js, for the client of this project
`;

const values = toolOptions(USAGE, {
  kinds: { type: 'string', default: 'ours,stock' },
  sizes: { type: 'string', default: '64,1400,100000' },
  seconds: { type: 'string', default: '2' },
  rounds: { type: 'string', default: '3' },
  flags: { type: 'string', default: '' },
  modes: { type: 'string', default: 'both,bothlent,receive,lend,borrow' },
});
const LOAD = fileURLToPath(new URL('./client-load.js', import.meta.url));

interface LoadFigures extends LoopFigures {
  readonly messages: number;
  readonly seconds: number;
  readonly cpuMs: number;
}

const clients = {
  c: async () => [await program('clientload')],
  js: async () => [process.execPath, ...values.flags.split(' ').filter((flag) => flag !== ''), LOAD],
} as const;
const MODES = {
  both: 'send and receive',
  bothlent: 'send and receive, memory lent',
  receive: 'receive',
  lend: 'receive, memory lent',
  borrow: 'receive by `onMessage`',
} as const;
type LoadMode = keyof typeof MODES;
const kinds = toolWords(USAGE, 'kinds', values.kinds, ['ours', 'stock']);
const sizes = toolNumbers(USAGE, 'sizes', values.sizes, { min: 1, max: MESSAGE_BYTES_MAX });
const modes = toolWords(USAGE, 'modes', values.modes, Object.keys(MODES) as LoadMode[]);
const seconds = toolNumber(USAGE, 'seconds', values.seconds, MEASURED_SECONDS);
const rounds = toolNumber(USAGE, 'rounds', values.rounds, COUNT);
type ClientKind = keyof typeof clients;

async function started(rig: Rig, client: ClientKind, mode: string, size: number, forSeconds: number): Promise<Running> {
  const command = [...AHEAD_OF_OTHERS, ...(await clients[client]())];
  const running = rig.first.space.start('nice', [...command, mode, 'perf', String(size), String(forSeconds)]);
  await running.waitFor(/ready/);
  return running;
}

async function figuresOf(running: Running): Promise<LoadFigures> {
  const [line] = await running.waitFor(/^\{.*\}$/m, (seconds + 30) * 1000);
  await running.stop('SIGKILL');
  return JSON.parse(line) as LoadFigures;
}

async function measure(rig: Rig, client: ClientKind, mode: LoadMode, size: number): Promise<LoadFigures> {
  const sends = mode.startsWith('both');
  const ofC = sends ? 'both' : 'receive';
  const measured = await started(rig, client, client === 'c' ? ofC : mode, size, seconds);
  const sender = !sends ? await started(rig, 'c', 'both', size, seconds + 4) : null;
  const figures = await figuresOf(measured);
  await sender?.stop('SIGKILL');
  return figures;
}

const rate = ({ messages, seconds: took }: LoadFigures): number => messages / took;
const costUs = ({ messages, cpuMs }: LoadFigures): number => (cpuMs * 1000) / Math.max(1, messages);
const spread = ({ median, low, high }: Spread, digits: number): string =>
  `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
const most = (figures: readonly LoadFigures[], what: (of: LoadFigures) => number): string =>
  Math.max(...figures.map(what)).toFixed(1);
const middle = (figures: readonly LoadFigures[], what: (of: LoadFigures) => number): string =>
  spreadOf(figures.map(what)).median.toFixed(1);

/** Column by column: its title, and its figure from all rounds. */
const COLUMNS: Readonly<Record<string, (c: readonly LoadFigures[], js: readonly LoadFigures[]) => string>> = {
  'C, messages a second': (c) => spread(spreadOf(c.map(rate)), 0),
  JS: (_c, js) => spread(spreadOf(js.map(rate)), 0),
  'JS / C': (c, js) => spread(spreadOf(js.map((of, round) => rate(of) / rate(c[round]!))), 2),
  'C, µs of CPU a message': (c) => spread(spreadOf(c.map(costUs)), 1),
  'JS ': (_c, js) => spread(spreadOf(js.map(costUs)), 1),
  'C late, p99 ms': (c) => middle(c, ({ loopP99Ms }) => loopP99Ms),
  worst: (c) => most(c, ({ loopMaxMs }) => loopMaxMs),
  'JS late, p99 ms': (_c, js) => middle(js, ({ loopP99Ms }) => loopP99Ms),
  'worst ': (_c, js) => most(js, ({ loopMaxMs }) => loopMaxMs),
  'JS blocked, p99 ms': (_c, js) => middle(js, ({ blockedP99Ms }) => blockedP99Ms),
  'worst  ': (_c, js) => most(js, ({ blockedMaxMs }) => blockedMaxMs),
  'without collector': (_c, js) => most(js, ({ blockedMaxMsWithoutGc }) => blockedMaxMsWithoutGc),
  'collector, worst ms': (_c, js) => most(js, ({ gcMaxMs }) => gcMaxMs),
  '% of the time': (_c, js) => middle(js, ({ gcShare }) => gcShare * 100),
};

console.log(
  `| Daemon | Load | Bytes | ${Object.keys(COLUMNS)
    .map((title) => title.trim())
    .join(' | ')} |`,
);
console.log(
  `|---|---|--:|${Object.keys(COLUMNS)
    .map(() => '--:|')
    .join('')}`,
);
for (const kind of kinds) {
  await Rig.with({ nodes: 1, dress: 'udpu', condition: 'quiet' }, kind, async (rig) => {
    for (const mode of modes) {
      for (const size of sizes) {
        const results: Record<ClientKind, LoadFigures[]> = { c: [], js: [] };
        for (let round = 0; round < rounds; round++) {
          for (const client of ['c', 'js'] as const) results[client].push(await measure(rig, client, mode, size));
        }
        const figures = Object.values(COLUMNS).map((column) => column(results.c, results.js));
        const row = [kind, MODES[mode], size, ...figures];
        console.log(`| ${row.join(' | ')} |`);
      }
    }
  });
}
