import { writeFileSync } from 'node:fs';
import { COUNT, MINUTES, type NumberLimits, SECONDS, toolNumber, toolNumbers, toolOptions } from '../tool-options.ts';
import { Campaign } from './campaign.ts';
import { optionsOf as seedOptions } from './seed-options.ts';
import { asScenario, type Story, shrink } from './shrink.ts';
import { type SimOptions, type SimReport, simulate, World } from './world.ts';

const USAGE = `npm run sim -- [options]          seeds through the cores of the daemon on virtual time, over all processors
  --minutes N        for so long (1)
  --seeds N          at most so many
  --first N          from this seed on (1)
  --threads N        with so many processors (all)
  --attack           with an attacker on the network
  --churn            a fault every few hundredths of a second and little to send: many views
  --coverage FILE    writes the table of states, events and faults there
  --shrink SECONDS   looks for so long for a shorter story of each failing seed, of three at most (60)

npm run sim -- --seed N [options]  one seed: its story, and a shorter one if it fails
  --faults-ms N, --skip 1,2,3, --quiet, --no-witnesses, --attack, --churn   as the short story has it: the faults end then, these do not happen,
                     applications do nothing, nobody learns of deaths
`;
const STORIES_MAX = 3;

const values = toolOptions(USAGE, {
  minutes: { type: 'string', default: '1' },
  seeds: { type: 'string', default: '1000000000' },
  first: { type: 'string', default: '1' },
  threads: { type: 'string' },
  attack: { type: 'boolean', default: false },
  churn: { type: 'boolean', default: false },
  coverage: { type: 'string' },
  shrink: { type: 'string', default: '60' },
  seed: { type: 'string' },
  'faults-ms': { type: 'string' },
  skip: { type: 'string' },
  quiet: { type: 'boolean', default: false },
  'no-witnesses': { type: 'boolean', default: false },
});

const SEED: NumberLimits = { min: 0, max: Number.MAX_SAFE_INTEGER };
const number = (
  option: 'minutes' | 'seeds' | 'first' | 'shrink' | 'threads' | 'seed' | 'faults-ms',
  limits: NumberLimits,
) => toolNumber(USAGE, option, values[option] ?? '', limits);
const out = (text: string): void => void process.stdout.write(`${text}\n`);

const optionsOf = (seed: number): SimOptions => seedOptions(seed, { attack: values.attack, churn: values.churn });

/** How to run exactly this again. */
function commandOf({ report, options, skip }: Story): string {
  const parts = [`npm run sim -- --seed ${report.seed}`];
  if (options.faultsMs !== undefined) parts.push(`--faults-ms ${options.faultsMs}`);
  if (skip.length > 0) parts.push(`--skip ${skip.join()}`);
  if (options.quiet === true) parts.push('--quiet');
  if (options.witnesses === false) parts.push('--no-witnesses');
  if (options.attack === true) parts.push('--attack');
  if (options.churn === true) parts.push('--churn');
  return parts.join(' ');
}

function printStory(seed: number, options: SimOptions): void {
  const story = shrink(seed, options, number('shrink', SECONDS) * 1000);
  const { report, tried } = story;
  const file = `sim-${seed}.txt`;
  const head = `# ${commandOf(story)}\n`;
  writeFileSync(file, head + asScenario(story, new World(seed, options).nodeIds));
  out(`seed ${seed}: ${report.faults.length} faults are enough (${tried} runs); as a story in ${file}; again with`);
  out(`  ${commandOf(story)}`);
  for (const { number, atMs, text } of report.faults) out(`  ${atMs.toFixed(1)} fault ${number}: ${text}`);
  for (const violation of report.violations) out(`  ${violation}`);
}

function replay(seed: number): boolean {
  const skip = new Set(values.skip === undefined ? [] : toolNumbers(USAGE, 'skip', values.skip, SEED));
  const options: SimOptions = {
    ...optionsOf(seed),
    ...(values['faults-ms'] === undefined
      ? {}
      : { faultsMs: number('faults-ms', { ...COUNT, min: 0, fractions: true }) }),
    ...(values.quiet ? { quiet: true } : {}),
    ...(values['no-witnesses'] ? { witnesses: false } : {}),
  };
  const report = simulate(seed, { ...options, skip, trace: out });
  const { virtualMs, formTokens, healTokens, violations } = report;
  out(
    `seed ${seed}: ${report.nodes} nodes, ${virtualMs.toFixed(0)} ms, ring after ${formTokens.toFixed(1)} token timeouts, all delivered after ${healTokens.toFixed(1)}`,
  );
  for (const violation of violations) out(`  ${violation}`);
  if (violations.length > 0 && skip.size === 0) printStory(seed, options);
  return violations.length === 0;
}

async function campaign(): Promise<boolean> {
  if (values.attack) process.env['SIM_ATTACK'] = '1'; // for the workers
  if (values.churn) process.env['SIM_CHURN'] = '1';
  const campaign = new Campaign();
  let reportedAtS = 0;
  await campaign.run({
    first: number('first', SEED),
    seeds: number('seeds', COUNT),
    seconds: number('minutes', MINUTES) * 60,
    ...(values.threads === undefined ? {} : { threads: number('threads', { min: 1, max: 1024 }) }),
    progress: ({ realSeconds, summary }) => {
      if (realSeconds < reportedAtS + 30) return;
      reportedAtS = realSeconds;
      out(summary);
    },
    failed: ({ seed, violations }: SimReport) => out(`seed ${seed} FAILED: ${violations[0]}`),
  });
  out(campaign.summary);
  out(campaign.coverage.summary);
  if (values.coverage !== undefined)
    writeFileSync(values.coverage, `${campaign.coverage.table()}\n${campaign.coverage.missing.join('\n')}\n`);
  for (const { seed } of campaign.failed.slice(0, STORIES_MAX)) printStory(seed, optionsOf(seed));
  return campaign.failed.length === 0 && campaign.coverage.impossible.length === 0;
}

const good = values.seed === undefined ? await campaign() : replay(number('seed', SEED));
process.exitCode = good ? 0 : 1;
