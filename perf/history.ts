import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../test/interop/lab/host.ts';
import type { Setup } from './rig.ts';
import type { Spread } from './statistics.ts';

/** One row: what was measured, and figures of both kinds by name. */
export interface Row extends Setup {
  readonly what: string;
  readonly stock: Readonly<Record<string, Spread>>;
  readonly ours: Readonly<Record<string, Spread>>;
}

export interface Run {
  readonly date: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly options: Readonly<Record<string, string | boolean>>;
  readonly rows: readonly Row[];
}

const HISTORY = join(ROOT, 'perf/history');
/** Runs that are not kept in the repository. */
const RESULTS = join(ROOT, 'perf/results');
/** When this run began: its name. */
const START = new Date().toISOString();
/** Beside the ring: at the start nothing of it runs yet. */
const LOAD = (loadavg()[0] ?? 0).toFixed(1);

/** Writes a run as far as it is: into the history, or where nobody keeps it. `node`: what our daemons ran on. Returns what to print. */
export function save(rows: readonly Row[], options: Run['options'], node: string, keep: boolean): string {
  const directory = keep ? HISTORY : RESULTS;
  mkdirSync(directory, { recursive: true });
  const machine = {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    kernel: release(),
    node,
    stock: '3.1.7',
    load: LOAD,
  };
  const run: Run = { date: START, machine, options, rows };
  const file = join(directory, `${START.slice(0, 19).replace(/[:]/g, '')}.json`);
  writeFileSync(file, `${JSON.stringify(run, null, 1)}\n`);
  return `${machine.cores} cores, ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}; written to ${file}`;
}

/** All runs of the history, oldest first. */
export function history(): readonly Run[] {
  return readdirSync(HISTORY)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(HISTORY, name), 'utf8')) as Run);
}
