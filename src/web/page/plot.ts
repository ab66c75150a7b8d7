import type { Sample } from '../page-state.ts';
import { html, renew, setText, svg } from './elements.ts';
import { clockTime } from './words.ts';

const WIDTH = 300;
const HEIGHT = 72;
const SAMPLES = 300;

export interface PlotLine {
  readonly label: string;
  read(sample: Sample): number | null;
}

export interface PlotOptions {
  readonly title: string;
  /** One or two. */
  readonly lines: readonly PlotLine[];
  text(value: number): string;
}

/** Lines over the last five minutes, the newest at the right. */
export class Plot {
  private readonly now = html('span', { class: 'now' });
  private readonly picture = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: 'none',
    role: 'img',
  });
  private readonly area = svg('path', { class: 'area' });
  private readonly paths: readonly SVGElement[];
  private readonly most = html('span');
  private readonly since = html('span');

  constructor(
    figure: Element,
    private readonly options: PlotOptions,
  ) {
    this.paths = options.lines.map((_, at) => svg('path', { class: at === 0 ? 'line' : 'line second' }));
    const grid = [0, HEIGHT / 2, HEIGHT].map((y) => svg('path', { class: 'grid', d: `M0 ${y}H${WIDTH}` }));
    this.picture.append(...grid, this.area, ...this.paths);
    figure.append(
      html('figcaption', {}, html('span', {}, options.title), this.now),
      this.picture,
      html('div', { class: 'scale' }, this.since, this.most),
    );
  }

  show(samples: readonly Sample[]): void {
    const { lines, title, text } = this.options;
    const values = lines.map((line) => samples.map((sample) => line.read(sample)));
    const top = niceTop(Math.max(0, ...values.flat().map((value) => value ?? 0)));
    for (const [at, path] of this.paths.entries()) path.setAttribute('d', pathOf(values[at] ?? [], top));
    const first = pathOf(values[0] ?? [], top, true);
    this.area.setAttribute('d', first);
    const latest = lines.map((line, at) => {
      const value = values[at]?.at(-1) ?? null;
      return `${line.label}${value === null ? '–' : text(value)}`;
    });
    renew(this.now, latest.join(), () =>
      latest.map((one, at) => html('b', at === 0 ? {} : { class: 'second' }, `${at === 0 ? '' : ' · '}${one}`)),
    );
    setText(this.most, `up to ${text(top)}`);
    setText(this.since, samples[0] === undefined ? '' : `since ${clockTime(samples[0].at)}`);
    this.picture.setAttribute('aria-label', `${title}: now ${latest.join(', ')}; the scale ends at ${text(top)}`);
  }
}

/** The next of 1, 2, 5, 10, 20 … */
function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

/** Pieces of a line: where nothing was measured there is none. `closed`: down to the ground, for filling. */
function pathOf(values: readonly (number | null)[], top: number, closed = false): string {
  const x = (at: number): number => WIDTH - ((values.length - 1 - at) * WIDTH) / (SAMPLES - 1);
  const pieces: string[] = [];
  let from = -1;
  for (let at = 0; at <= values.length; at++) {
    const value = values[at] ?? null;
    if (value !== null && from < 0) from = at;
    if (value !== null || from < 0) continue;
    const points = values.slice(from, at).map((one, i) => `${x(from + i).toFixed(1)} ${heightOf(one ?? 0, top)}`);
    const line = points.length === 1 ? `M${points[0]}h1` : `M${points.join('L')}`;
    pieces.push(closed ? `${line}V${HEIGHT}H${x(from).toFixed(1)}Z` : line);
    from = -1;
  }
  return pieces.join('');
}

const heightOf = (value: number, top: number): string => (HEIGHT - (value / top) * HEIGHT).toFixed(1);
