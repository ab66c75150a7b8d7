import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../test/interop/lab/host.ts';
import { toolOptions } from '../test/tool-options.ts';
import { gridChart } from './chart.ts';
import { history, type Row, type Run } from './history.ts';
import { CONDITION_TEXT } from './rig.ts';
import { geometricMean } from './statistics.ts';
import { grid, TABLES, table, timesAsGood } from './tables.ts';

/**
 * Writes the newest figures of the history into docs/performance.md, between its two marks, and the charts beside it.
 *
 *   node dist/perf/report.js
 */
toolOptions(
  'node dist/perf/report.js: writes the newest figures of perf/history into docs/performance.md; no options',
  {},
);
const PAGE = join(ROOT, 'docs/performance.md');
const MARKS = { begin: '<!-- figures: node dist/perf/report.js -->', end: '<!-- end of figures -->' };
/** Longer tables are folded. */
const ROWS_SHOWN = 12;

/** Rows with the version of Node.js that our daemons ran on. */
interface Measured extends Row {
  readonly node: string;
}

const stateOf = ({ condition, node }: Measured): string => `${CONDITION_TEXT[condition]}, Node ${node}`;

/** The newest of each row, by numbers of nodes, and the runs that they are from. */
function newest(runs: readonly Run[]): { readonly rows: readonly Measured[]; readonly runs: readonly Run[] } {
  const found = new Map<string, { readonly row: Measured; readonly run: Run }>();
  for (const run of runs) {
    for (const plain of run.rows) {
      const row = { ...plain, node: String(run.machine['node']) };
      found.set([stateOf(row), row.nodes, row.dress, row.what].join(' '), { row, run });
    }
  }
  const entries = [...found.values()];
  const rows = entries.map(({ row }) => row).sort((one, other) => one.nodes - other.nodes);
  return { rows, runs: [...new Set(entries.map(({ run }) => run))] };
}

function machines(runs: readonly Run[]): string {
  const lines = runs.map(({ date, machine, options }) => {
    const { cores, cpu, kernel, node, stock, load } = machine;
    return `* ${date.slice(0, 16)}: ${cores} cores, ${cpu}, Linux ${kernel}, Node ${node}, stock ${stock}, rounds: ${options['rounds']} of ${options['seconds']} s, load average ${load} (what else the machine did).`;
  });
  return lines.join('\n');
}

const CHARTS = [
  { file: 'performance.svg', title: 'Messages a second, ours : stock', figures: ['perSecond', 'lossyPerSecond'] },
  {
    file: 'performance-times.svg',
    title: 'How many times better than stock: waits, processor time, membership, start, memory',
    figures: TABLES.flatMap(([, figures]) => figures).filter((name) => !/perSecond$|^switches|^syscalls/i.test(name)),
  },
] as const;

function charts(rows: readonly Measured[]): string[] {
  const states = new Set(rows.map(stateOf));
  const label = (row: Row): string => {
    const node = (row as Measured).node;
    return `${row.nodes} ${row.dress}${states.size > 1 ? ` ${row.condition} ${node}` : ''}`;
  };
  return CHARTS.flatMap(({ file, title, figures }) => {
    const lines = grid(rows, figures, label);
    if (lines.length === 0) return [];
    writeFileSync(join(ROOT, 'docs', file), gridChart(title, lines));
    return [`![${title}](${file})`];
  });
}

function tablesOf(rows: readonly Measured[]): string[] {
  return TABLES.flatMap(([title, figures]) => {
    const those = rows.filter(({ ours }) => figures[0] !== undefined && figures[0] in ours);
    if (those.length === 0) return [];
    if (those.length <= ROWS_SHOWN) return [`**${title}**\n\n${table(those, figures)}`];
    return [
      `<details><summary><b>${title}</b>: ${those.length} rows</summary>\n\n${table(those, figures)}\n\n</details>`,
    ];
  });
}

function report(): string {
  const { rows, runs } = newest(history());
  const parts = [machines(runs), ...charts(rows)];
  for (const state of new Set(rows.map(stateOf))) {
    const here = rows.filter((row) => stateOf(row) === state);
    const ratios = timesAsGood(here, 'perSecond');
    const mean =
      ratios.length > 0 ? ` Geometric mean of the throughput's ratios: ${geometricMean(ratios).toFixed(2)}.` : '';
    parts.push(`### ${state[0]?.toUpperCase()}${state.slice(1)}`, `Medians (least to most).${mean}`, ...tablesOf(here));
  }
  return parts.join('\n\n');
}

const page = readFileSync(PAGE, 'utf8');
const [begin, end] = [page.indexOf(MARKS.begin), page.indexOf(MARKS.end)];
if (begin < 0 || end < begin) throw new Error(`${PAGE} has no marks`);
writeFileSync(PAGE, `${page.slice(0, begin)}${MARKS.begin}\n\n${report()}\n\n${page.slice(end)}`);
