export interface GridRow {
  readonly name: string;
  /** How many times as good as stock, by column. */
  readonly values: ReadonlyMap<string, number>;
}

const [LABEL, CELL, ROW, HEAD] = [190, 62, 20, 84];
const GOALS: readonly (readonly [least: number, colour: string])[] = [
  [3, '#2f7d4f'],
  [1.5, '#7db88d'],
  [1, '#cfe6d2'],
  [0.67, '#f3cfc6'],
  [0, '#d98576'],
];

const escapeText = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const colourOf = (value: number): string => GOALS.find(([least]) => value >= least)?.[1] ?? '#ffffff';
const digits = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** A table with colours as SVG: green is better than stock, red is worse. */
export function gridChart(title: string, rows: readonly GridRow[]): string {
  const columns = [...new Set(rows.flatMap(({ values }) => [...values.keys()]))];
  const width = Math.max(500, LABEL + columns.length * CELL + 40);
  const height = HEAD + rows.length * ROW + 10;
  const heads = columns.map((name, at) => {
    const x = LABEL + at * CELL + CELL / 2 - 8;
    return `<text transform="translate(${x} ${HEAD - 6}) rotate(-28)">${escapeText(name)}</text>`;
  });
  const cells = rows.flatMap(({ name, values }, at) => {
    const y = HEAD + at * ROW;
    const label = `<text x="${LABEL - 8}" y="${y + 14}" text-anchor="end">${escapeText(name)}</text>`;
    return [label, ...columns.map((column, index) => cellAt(LABEL + index * CELL, y, values.get(column)))];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="8" y="18" font-size="14">${escapeText(title)}</text>`,
    ...heads,
    ...cells,
    '</svg>\n',
  ].join('\n');
}

function cellAt(x: number, y: number, value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '';
  const box = `<rect x="${x}" y="${y}" width="${CELL - 2}" height="${ROW - 2}" fill="${colourOf(value)}"/>`;
  const colour = value >= 3 ? '#ffffff' : '#111111';
  return `${box}<text x="${x + CELL / 2 - 1}" y="${y + 13}" text-anchor="middle" fill="${colour}">${digits(value)}</text>`;
}
