export interface Bar {
  readonly name: string;
  readonly value: number;
}

const WIDTH = 760;
const ROW = 20;
const LABEL = 260;
const TOP = 34;

const escapeText = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Horizontal bars as SVG, with a line at 1. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const room = WIDTH - LABEL - 60;
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const x = (value: number): number => Math.round(LABEL + (value / most) * room);
  const height = TOP + bars.length * ROW + 10;
  const rows = bars.map(({ name, value }, at) => {
    const y = TOP + at * ROW;
    const colour = value >= 1 ? '#3b7a57' : '#b0413e';
    return [
      `<text x="${LABEL - 8}" y="${y + 13}" text-anchor="end">${escapeText(name)}</text>`,
      `<rect x="${LABEL}" y="${y + 2}" width="${x(value) - LABEL}" height="${ROW - 6}" fill="${colour}"/>`,
      `<text x="${x(value) + 4}" y="${y + 13}">${value.toFixed(2)}</text>`,
    ].join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="8" y="20" font-size="14">${escapeText(title)}</text>`,
    ...rows,
    `<line x1="${x(1)}" y1="${TOP - 4}" x2="${x(1)}" y2="${height - 6}" stroke="#333333" stroke-dasharray="3 3"/>`,
    '</svg>\n',
  ].join('\n');
}
