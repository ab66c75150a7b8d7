/**
 * The client of this project beside libcpg's, on the same daemon: one process that sends without a pause and gets its messages back, and one that
 * only receives what a C program sends.
 *
 *   node dist/perf/client.js [--kinds ours,stock] [--sizes 64,1400,100000] [--seconds 2] [--rounds 3] [--modes both,bothlent,receive,lend,borrow]
 */

import { fileURLToPath } from 'node:url';
import type { Running } from '../test/interop/lab/process.ts';
import { program } from '../test/interop/lab/programs.ts';
import { COUNT, toolNumber, toolNumbers, toolOptions, toolWords } from '../test/tool-options.ts';
import { AHEAD_OF_OTHERS, MEASURED_SECONDS, MESSAGE_BYTES_MAX, Rig } from './rig.ts';

const USAGE = `node dist/perf/client.js [options]   the client of this project beside libcpg's, on the same daemon
  --kinds ours,stock             daemons
  --sizes 64,1400,100000         bytes
  --seconds 2 --rounds 3
  --modes both,bothlent,receive,lend,borrow
`;

const values = toolOptions(USAGE, {
  kinds: { type: 'string', default: 'ours,stock' },
  sizes: { type: 'string', default: '64,1400,100000' },
  seconds: { type: 'string', default: '2' },
  rounds: { type: 'string', default: '3' },
  modes: { type: 'string', default: 'both,bothlent,receive,lend,borrow' },
});
const LOAD = fileURLToPath(new URL('./client-load.js', import.meta.url));

interface LoadFigures {
  readonly messages: number;
  readonly seconds: number;
  readonly cpuMs: number;
  readonly loopMaxMs: number;
  readonly loopP99Ms: number;
  readonly turnMaxMs: number;
  readonly turnP99Ms: number;
}

const clients = {
  c: async () => [await program('clientload')],
  js: async () => [process.execPath, LOAD],
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

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
const rate = ({ messages, seconds: took }: LoadFigures): number => messages / took;
const costUs = ({ messages, cpuMs }: LoadFigures): number => (cpuMs * 1000) / Math.max(1, messages);

console.log(
  '| Daemon | Load | Bytes | C, messages a second | JS | JS / C | C, µs of CPU a message | JS | Event loop late, p99 ms | worst | CPU of a turn, p99 ms | worst |',
);
console.log('|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|');
for (const kind of kinds) {
  await Rig.with({ nodes: 1, dress: 'udpu', condition: 'quiet' }, kind, async (rig) => {
    for (const mode of modes) {
      for (const size of sizes) {
        const results: Record<ClientKind, LoadFigures[]> = { c: [], js: [] };
        for (let round = 0; round < rounds; round++) {
          for (const client of ['c', 'js'] as const) results[client].push(await measure(rig, client, mode, size));
        }
        const { c, js } = results;
        const rates = [median(c.map(rate)), median(js.map(rate))] as const;
        const row = [
          kind,
          MODES[mode],
          size,
          Math.round(rates[0]),
          Math.round(rates[1]),
          (rates[1] / rates[0]).toFixed(2),
          median(c.map(costUs)).toFixed(1),
          median(js.map(costUs)).toFixed(1),
          median(js.map(({ loopP99Ms }) => loopP99Ms)).toFixed(1),
          Math.max(...js.map(({ loopMaxMs }) => loopMaxMs)).toFixed(1),
          median(js.map(({ turnP99Ms }) => turnP99Ms)).toFixed(1),
          Math.max(...js.map(({ turnMaxMs }) => turnMaxMs)).toFixed(1),
        ];
        console.log(`| ${row.join(' | ')} |`);
      }
    }
  });
}
