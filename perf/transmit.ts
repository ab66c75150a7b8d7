import { readdirSync, readFileSync } from 'node:fs';
import { labUnavailable } from '../test/interop/lab/host.ts';
import { COUNT, toolNumber, toolNumbers, toolOptions, toolWords } from '../test/tool-options.ts';
import { type Figures, groupOf, throughput } from './measures.ts';
import { DRESS_NAMES, MEASURED_SECONDS, MESSAGE_BYTES_MAX, Rig } from './rig.ts';
import { spreads } from './statistics.ts';

/**
 * Transmit threads: rings with none and with some, in turn, and what each thread of node 1 costs a message. Where every thread has a processor of its own
 * the slowest one is the limit, so those costs say what a machine with more processors would carry.
 */
const NODES_MAX = 8;
const THREADS_MAX = 4;

const USAGE = `npm run perf:transmit -- [options]   rings with transmit threads beside rings without, and the processor time of each thread a message
  --threads 0,1                  transmit_threads: 0, 1, 2, 4
  --nodes 3 --dress secure
  --sizes 1400,10000             bytes of a message
  --seconds 2 --rounds 5 --warmup 2
`;

const values = toolOptions(USAGE, {
  threads: { type: 'string', default: '0,1' },
  nodes: { type: 'string', default: '3' },
  dress: { type: 'string', default: 'secure' },
  sizes: { type: 'string', default: '1400,10000' },
  seconds: { type: 'string', default: '2' },
  rounds: { type: 'string', default: '5' },
  warmup: { type: 'string', default: '2' },
});
const threadCounts = toolNumbers(USAGE, 'threads', values.threads, { min: 0, max: THREADS_MAX });
const nodes = toolNumber(USAGE, 'nodes', values.nodes, { min: 1, max: NODES_MAX });
const dress = toolWords(USAGE, 'dress', values.dress, DRESS_NAMES)[0] ?? 'secure';
const sizes = toolNumbers(USAGE, 'sizes', values.sizes, { min: 1, max: MESSAGE_BYTES_MAX });
const seconds = toolNumber(USAGE, 'seconds', values.seconds, MEASURED_SECONDS);
const rounds = toolNumber(USAGE, 'rounds', values.rounds, COUNT);
const warmup = toolNumber(USAGE, 'warmup', values.warmup, { ...MEASURED_SECONDS, min: 0 });
const unavailable = labUnavailable();
if (unavailable !== false) {
  console.log(`the performance suite cannot run here: ${unavailable}`);
  process.exit(1);
}

/** Processor time of each thread of a process so far, nanoseconds. */
const threadsOf = (pid: number): Map<string, number> =>
  new Map(
    readdirSync(`/proc/${pid}/task`).map((thread) => [
      thread,
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]),
    ]),
  );

/** The busiest threads are the ring's and those that transmit; in order of their start, which is the order of their numbers. */
async function measure(rig: Rig, bytes: number, threads: number): Promise<Figures> {
  if (warmup > 0) await throughput(rig, { bytes, seconds: warmup, warmup: 0, syscalls: false });
  const pid = rig.first.daemon?.pid ?? 0;
  const before = threadsOf(pid);
  const figures = await throughput(rig, { bytes, seconds, warmup: 0, syscalls: false });
  const messages = (figures['perSecond'] ?? 0) * seconds;
  const spent = [...threadsOf(pid)]
    .map(([thread, ns]) => ({ thread: Number(thread), us: (ns - (before.get(thread) ?? 0)) / 1000 / messages }))
    .sort((a, b) => b.us - a.us)
    .slice(0, threads + 1)
    .sort((a, b) => a.thread - b.thread);
  const [ring = { us: Number.NaN }, ...others] = spent;
  const slowest = Math.max(ring.us, ...others.map(({ us }) => us));
  return {
    ...figures,
    ringUs: ring.us,
    transmitUs: others.reduce((sum, { us }) => sum + us, 0),
    ownProcessors: 1e6 / slowest,
  };
}

console.log('threads | bytes | figure: median (lowest to highest)');
const found = new Map<string, Figures[]>();
for (let round = 0; round < rounds; round++)
  for (const threads of threadCounts)
    await Rig.with(
      { nodes, dress, condition: 'quiet', system: [`transmit_threads: ${threads}`] },
      'ours',
      async (rig) => {
        await rig.receivers(groupOf(1));
        for (const bytes of sizes) {
          const key = `${threads} | ${bytes}`;
          found.set(key, [...(found.get(key) ?? []), await measure(rig, bytes, threads)]);
        }
      },
    );
for (const [key, figures] of found)
  for (const [name, { median, low, high }] of Object.entries(spreads(figures)))
    console.log(`${key} | ${name.padEnd(14)} ${[median, low, high].map((value) => value.toPrecision(3)).join(' ')}`);
