import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { labUnavailable, ROOT } from '../test/interop/lab/host.ts';
import { COUNT, toolNumber, toolNumbers, toolOptions, toolWords } from '../test/tool-options.ts';
import { type Figures, groupOf, throughput } from './measures.ts';
import { CONDITIONS, DRESS_NAMES, MEASURED_SECONDS, MESSAGE_BYTES_MAX, Rig, type Setup } from './rig.ts';
import { spreadOf } from './statistics.ts';

/**
 * Which of several builds is dearer: a ring of each stands beside the others, and they are loaded in turn, there and back, so that whatever
 * the machine does meanwhile is the same for all. A ratio belongs to one such round.
 */

const NODES_MAX = 8;
const BUILDS_MAX = 8;

const USAGE = `npm run perf:builds -- DIR[,DIR…] [options]   what a message costs in other checkouts, built, beside this one, in turn
  --nodes 3 --dress secure
  --condition quiet              ${CONDITIONS.join(', ')}
  --sizes 64,1400                bytes of a message
  --seconds 1 --rounds 6 --warmup 4
  --syscalls                     count system calls, too: everything is a little slower
`;

const [directories = '', ...rest] = process.argv.slice(2);
process.argv.splice(2, Number.POSITIVE_INFINITY, ...(directories.startsWith('-') ? [directories] : []), ...rest);
const values = toolOptions(USAGE, {
  nodes: { type: 'string', default: '3' },
  dress: { type: 'string', default: 'secure' },
  condition: { type: 'string', default: 'quiet' },
  sizes: { type: 'string', default: '64,1400' },
  seconds: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '6' },
  warmup: { type: 'string', default: '4' },
  syscalls: { type: 'boolean', default: false },
});
const setup: Setup = {
  nodes: toolNumber(USAGE, 'nodes', values.nodes, { min: 1, max: NODES_MAX }),
  dress: toolWords(USAGE, 'dress', values.dress, DRESS_NAMES)[0] ?? 'secure',
  condition: toolWords(USAGE, 'condition', values.condition, CONDITIONS)[0] ?? 'quiet',
};
const sizes = toolNumbers(USAGE, 'sizes', values.sizes, { min: 1, max: MESSAGE_BYTES_MAX });
const seconds = toolNumber(USAGE, 'seconds', values.seconds, MEASURED_SECONDS);
const rounds = toolNumber(USAGE, 'rounds', values.rounds, COUNT);
const warmup = toolNumber(USAGE, 'warmup', values.warmup, { ...MEASURED_SECONDS, min: 0 });
const builds = [ROOT, ...(directories.startsWith('-') ? [] : directories.split(',').filter(Boolean))].map((directory) =>
  resolve(directory),
);
const stop = (problem: string): never => {
  process.stderr.write(`${problem}\n${USAGE}`);
  process.exit(2);
};
if (builds.length < 2) stop('no checkout to compare with');
if (builds.length > BUILDS_MAX) stop(`more than ${BUILDS_MAX} builds`);
for (const build of builds)
  if (!existsSync(join(build, 'bin/rondod')) || !existsSync(join(build, 'dist')))
    stop(`${build}: no bin/rondod, or not built (npm ci --ignore-scripts && npm run build)`);
const unavailable = labUnavailable();
if (unavailable !== false) {
  console.log(`the performance suite cannot run here: ${unavailable}`);
  process.exit(1);
}

await stand([]);

/** One ring after the other comes up, each inside the one before, and all go when the last has done its work. */
async function stand(rigs: readonly Rig[]): Promise<void> {
  const build = builds[rigs.length];
  if (build === undefined) return compare(rigs);
  // One neighbour is enough for all: several would have the machine to themselves.
  const condition = rigs.length > 0 && setup.condition === 'neighbour' ? 'quiet' : setup.condition;
  await Rig.with({ ...setup, condition, build }, 'ours', (rig) => stand([...rigs, rig]));
}

async function compare(rigs: readonly Rig[]): Promise<void> {
  for (const rig of rigs) await rig.receivers(groupOf(1));
  for (const size of sizes) for (const rig of rigs) await rig.client('cpgbench', groupOf(1), size, warmup);
  for (const size of sizes) {
    const figures: Figures[][] = rigs.map(() => []);
    for (let round = 0; round < rounds; round++) {
      const there = [...rigs.keys()];
      for (const at of round % 2 === 0 ? there : there.reverse()) figures[at]?.push(await measure(rigs[at]!, size));
    }
    print(size, figures);
  }
}

/** Beside what a message costs: how often the token came, and in how many packets messages went, which says how well the ring was used. */
async function measure(rig: Rig, size: number): Promise<Figures> {
  const so = async (): Promise<number[]> => Promise.all(['orf_token_tx', 'mcast_tx'].map((name) => rig.counter(name)));
  const [tokensBefore = 0, packetsBefore = 0] = await so();
  const figures = await throughput(rig, { bytes: size, seconds, warmup: 0, syscalls: values.syscalls });
  const [tokens = 0, packets = 0] = await so();
  const messages = (figures['perSecond'] ?? 0) * seconds;
  return { ...figures, visits: (tokens - tokensBefore) / messages, packets: (packets - packetsBefore) / messages };
}

function print(size: number, figures: readonly (readonly Figures[])[]): void {
  console.log(`\n${size} B: median (least to most) of ${rounds} rounds; ratio to this build's, round by round`);
  const own = figures[0] ?? [];
  figures.forEach((rows, at) => {
    console.log(builds[at] === ROOT ? 'this build' : builds[at]);
    for (const name of Object.keys(rows[0] ?? {})) {
      const of = (row: Figures | undefined): number => row?.[name] ?? Number.NaN;
      const { median, low, high } = spreadOf(rows.map(of));
      const ratio = spreadOf(rows.map((row, round) => of(row) / of(own[round])));
      const text = (value: number): string => value.toPrecision(3);
      console.log(
        `  ${name.padEnd(12)} ${text(median)} (${text(low)} to ${text(high)})  ratio ${text(ratio.median)} (${text(ratio.low)} to ${text(ratio.high)})`,
      );
    }
  });
}
