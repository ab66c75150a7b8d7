import type { GridRow } from './chart.ts';
import type { Row } from './history.ts';
import type { Spread } from './statistics.ts';

/** Figures of the report: how they are headed, and whether more of them is better. */
const FIGURES: Readonly<Record<string, { readonly head: string; readonly more?: true }>> = {
  perSecond: { head: 'messages/s', more: true },
  lossyPerSecond: { head: 'messages/s', more: true },
  newRings: { head: 'new rings meanwhile' },
  cpuUs: { head: 'µs of CPU a message' },
  switches: { head: 'sleeps a message' },
  syscalls: { head: 'system calls a message' },
  p50Us: { head: 'p50, µs' },
  p99Us: { head: 'p99, µs' },
  rotationUs: { head: 'µs a rotation' },
  totalMs: { head: 'total, ms' },
  cpuPercent: { head: '% of a core' },
  ringPercent: { head: '% of a core, all nodes' },
  readyMs: { head: 'ms to ready' },
  readyCpuMs: { head: 'CPU ms to ready' },
  busyReadyMs: { head: 'ms to ready, busy machine' },
  idleMb: { head: 'MB idle' },
  loadedMb: { head: 'MB under load' },
  afterMb: { head: 'MB 30 s later' },
  switchesPerSecond: { head: 'sleeps a second' },
  syscallsPerSecond: { head: 'system calls a second' },
  viewMs: { head: 'ms' },
};

/** Titles, and the figures of each; a row is in the tables whose first figure it has. */
export const TABLES: readonly (readonly [title: string, figures: readonly string[]])[] = [
  ['Throughput', ['perSecond', 'cpuUs']],
  ['What a message costs besides', ['switches', 'syscalls']],
  ['Waits', ['p50Us', 'p99Us']],
  ['Rotation of the token, one message in flight', ['rotationUs']],
  ['200 small writes, each after the delivery of the one before', ['totalMs']],
  ['Loss, 1400 B', ['lossyPerSecond', 'newRings']],
  ['Membership', ['viewMs']],
  ['Idle, node 1', ['cpuPercent', 'ringPercent', 'switchesPerSecond', 'syscallsPerSecond']],
  ['Start', ['readyMs', 'readyCpuMs', 'busyReadyMs']],
  ['Resident memory of node 1', ['idleMb', 'loadedMb', 'afterMb']],
];

const digits = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en').replaceAll(',', ' ') : String(Number(value.toPrecision(3)));

const cell = ({ median, low, high }: Spread): string =>
  low === high ? digits(median) : `${digits(median)} (${digits(low)}–${digits(high)})`;

/** One table in Markdown. */
export function table(rows: readonly Row[], figures: readonly string[]): string {
  const heads = [
    'nodes',
    'transport',
    '',
    ...figures.flatMap((name) => [`ours, ${FIGURES[name]?.head}`, 'stock', 'ratio']),
  ];
  const lines = rows.map(({ nodes, dress, what, stock, ours }) => {
    const cells = figures.flatMap((name) => {
      const [own, other] = [ours[name], stock[name]];
      if (own === undefined || other === undefined) return ['', '', ''];
      const ratio = own.median / other.median;
      return [cell(own), cell(other), Number.isFinite(ratio) ? ratio.toFixed(2) : ''];
    });
    return [nodes, dress, what, ...cells];
  });
  return [heads, heads.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** How many times as good as stock, in each row. */
export function timesAsGood(rows: readonly Row[], figure: string): number[] {
  return rows.flatMap((row) => ratioOf(row, figure) ?? []);
}

function ratioOf({ ours, stock }: Row, figure: string): number | null {
  const [own, other] = [ours[figure]?.median, stock[figure]?.median];
  if (own === undefined || other === undefined) return null;
  const ratio = FIGURES[figure]?.more ? own / other : other / own;
  return Number.isFinite(ratio) && ratio > 0 ? ratio : null;
}

/** A line for each ring, a column for each of these figures of each row. */
export function grid(
  rows: readonly Row[],
  figures: readonly string[],
  label: (row: Row) => string,
): readonly GridRow[] {
  const found = new Map<string, Map<string, number>>();
  for (const row of rows) {
    for (const figure of figures) {
      const value = ratioOf(row, figure);
      if (value === null) continue;
      const values = found.get(label(row)) ?? new Map<string, number>();
      found.set(label(row), values.set(columnOf(row.what, figure), value));
    }
  }
  return [...found].map(([name, values]) => ({ name, values }));
}

const SELF_EXPLAINING = new Set(['perSecond', 'lossyPerSecond', 'viewMs', 'totalMs']);
const columnOf = (what: string, figure: string): string =>
  SELF_EXPLAINING.has(figure) ? what : `${what}: ${FIGURES[figure]?.head}`;
