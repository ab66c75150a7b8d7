import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../test/interop/lab/host.ts';
import { toolOptions } from '../test/tool-options.ts';
import { type Bar, barChart } from './chart.ts';
import { history, type Row, type Run } from './history.ts';
import { CONDITION_TEXT, CONDITIONS } from './rig.ts';
import { geometricMean, type Spread } from './statistics.ts';

/**
 * Writes the newest figures of the history into docs/performance.md, between its two marks, and the chart beside it.
 *
 *   node dist/perf/report.js
 */
toolOptions(
  'node dist/perf/report.js: writes the newest figures of perf/history into docs/performance.md; no options',
  {},
);
const PAGE = join(ROOT, 'docs/performance.md');
const CHART = 'performance.svg';
const MARKS = { begin: '<!-- figures: node dist/perf/report.js -->', end: '<!-- end of figures -->' };

/** Figures of the tables, and how they are headed. */
const COLUMNS: Readonly<Record<string, string>> = {
  perSecond: 'messages/s',
  cpuUs: 'µs of CPU a message',
  switches: 'sleeps a message',
  syscalls: 'system calls a message',
  p50Us: 'p50, µs',
  p99Us: 'p99, µs',
  totalMs: 'total, ms',
  cpuPercent: '% of a core',
  readyMs: 'ms to ready',
  readyCpuMs: 'CPU ms to ready',
  busyReadyMs: 'ms to ready, busy machine',
  idleMb: 'MB idle',
  loadedMb: 'MB under load',
  afterMb: 'MB 30 s later',
  switchesPerSecond: 'sleeps a second',
  syscallsPerSecond: 'system calls a second',
};

const keyOf = ({ nodes, dress, condition, what }: Row): string => [condition, nodes, dress, what].join(' ');

/** The newest of each row, in the order of their first appearance, and the runs that they are from. */
function newest(runs: readonly Run[]): { readonly rows: readonly Row[]; readonly runs: readonly Run[] } {
  const found = new Map<string, { readonly row: Row; readonly run: Run }>();
  for (const run of runs) for (const row of run.rows) found.set(keyOf(row), { row, run });
  const entries = [...found.values()];
  return { rows: entries.map(({ row }) => row), runs: [...new Set(entries.map(({ run }) => run))] };
}

const digits = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en').replaceAll(',', ' ') : String(Number(value.toPrecision(3)));

const cell = ({ median, low, high }: Spread): string =>
  low === high ? digits(median) : `${digits(median)} (${digits(low)}–${digits(high)})`;

function table(rows: readonly Row[], figures: readonly string[]): string {
  const heads = figures.flatMap((name) => [`ours, ${COLUMNS[name]}`, 'stock', 'ratio']);
  const lines = rows.map(({ nodes, dress, what, stock, ours }) => {
    const cells = figures.flatMap((name) => {
      const [own, other] = [ours[name], stock[name]];
      if (own === undefined || other === undefined) return ['', '', ''];
      return [cell(own), cell(other), (own.median / other.median).toFixed(2)];
    });
    return [nodes, dress, what, ...cells];
  });
  const all = [['nodes', 'transport', '', ...heads], ['nodes', 'transport', '', ...heads].map(() => '---'), ...lines];
  return all.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const TABLES: readonly (readonly [string, readonly string[]])[] = [
  ['Throughput', ['perSecond', 'cpuUs']],
  ['What a message costs besides', ['switches', 'syscalls']],
  ['Waits', ['p50Us', 'p99Us']],
  ['200 small writes, each after the delivery of the one before', ['totalMs']],
  ['Idle, by node', ['cpuPercent', 'switchesPerSecond', 'syscallsPerSecond']],
  ['Start', ['readyMs', 'readyCpuMs', 'busyReadyMs']],
  ['Resident memory of node 1', ['idleMb', 'loadedMb', 'afterMb']],
];

function ratios(rows: readonly Row[]): readonly Bar[] {
  return rows.flatMap((row) => {
    const [own, other] = [row.ours['perSecond'], row.stock['perSecond']];
    if (own === undefined || other === undefined) return [];
    return [{ name: keyOf(row), value: own.median / other.median }];
  });
}

function report(): string {
  const { rows, runs } = newest(history());
  const parts: string[] = [];
  for (const { date, machine, options } of runs) {
    const { cores, cpu, kernel, node, stock, load } = machine;
    parts.push(
      `* ${date.slice(0, 16)}: ${cores} cores, ${cpu}, Linux ${kernel}, Node ${node}, stock ${stock}, rounds: ${options['rounds']} of ${options['seconds']} s, load average ${load} (what else the machine did).`,
    );
  }
  const bars = ratios(rows);
  if (bars.length > 0) {
    writeFileSync(join(ROOT, 'docs', CHART), barChart('Messages a second, ours : stock (1 is stock)', bars));
    parts.push(
      `\n![Messages a second, ours : stock](${CHART})\n\nGeometric mean of these ratios: ${geometricMean(bars.map(({ value }) => value)).toFixed(2)}.`,
    );
  }
  for (const condition of CONDITIONS) {
    const here = rows.filter((row) => row.condition === condition);
    for (const [title, figures] of TABLES) {
      const those = here.filter(({ ours }) => figures[0] !== undefined && figures[0] in ours);
      if (those.length > 0) parts.push(`\n**${title}** (${CONDITION_TEXT[condition]})\n\n${table(those, figures)}`);
    }
  }
  return parts.join('\n');
}

const page = readFileSync(PAGE, 'utf8');
const [begin, end] = [page.indexOf(MARKS.begin), page.indexOf(MARKS.end)];
if (begin < 0 || end < begin) throw new Error(`${PAGE} has no marks`);
writeFileSync(PAGE, `${page.slice(0, begin)}${MARKS.begin}\n\n${report()}\n\n${page.slice(end)}`);
