import { DURATION_BOUNDS_MS, type DurationReading } from '../../lib/durations.ts';
import { WEB_LIMITS } from '../limits.ts';
import type { HistogramMetric, Metric, NumberMetric } from './metric.ts';

/** `text`: Prometheus's own format 0.0.4; `open`: OpenMetrics 1.0. */
export type ExpositionFormat = 'text' | 'open';

export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  open: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** What a client that says `accept` gets. */
export const formatFor = (accept: string | undefined): ExpositionFormat =>
  accept !== undefined && /\bapplication\/openmetrics-text\b/.test(accept) ? 'open' : 'text';

const escapeLabel = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const number = (value: number): string => (Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : 'NaN');

function labelText(names: readonly string[], values: readonly (string | number)[], more = ''): string {
  const pairs = names.map((name, at) => `${name}="${escapeLabel(String(values[at] ?? ''))}"`);
  if (more !== '') pairs.push(more);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** The lines of one family; none when it has no values now. */
export function renderMetric<View>(metric: Metric<View>, view: View, format: ExpositionFormat): string {
  const samples = metric.type === 'histogram' ? histogramLines(metric, view) : numberLines(metric, view);
  if (samples.length === 0) return '';
  // OpenMetrics names the family of a counter without its ending, the older format with it.
  const family = metric.type === 'counter' && format === 'text' ? `${metric.name}_total` : metric.name;
  const head = [`# HELP ${family} ${escapeHelp(metric.help)}`, `# TYPE ${family} ${metric.type}`];
  if (format === 'open' && metric.unit !== undefined) head.push(`# UNIT ${family} ${metric.unit}`);
  return `${[...head, ...samples].join('\n')}\n`;
}

function numberLines<View>(metric: NumberMetric<View>, view: View): readonly string[] {
  const lines: string[] = [];
  const name = metric.type === 'counter' ? `${metric.name}_total` : metric.name;
  metric.read(view, (value, ...labels) =>
    lines.push(`${name}${labelText(metric.labels ?? [], labels)} ${number(value)}`),
  );
  return lines;
}

function histogramLines<View>(metric: HistogramMetric<View>, view: View): readonly string[] {
  const lines: string[] = [];
  metric.read(view, (reading, ...labels) => lines.push(...bucketLines(metric, reading, labels)));
  return lines;
}

function bucketLines<View>(
  { name, labels: names = [] }: HistogramMetric<View>,
  { counts, sumMs }: DurationReading,
  labels: readonly (string | number)[],
): readonly string[] {
  const lines: string[] = [];
  let sum = 0;
  for (const [at, count] of counts.entries()) {
    sum += count;
    const bound = DURATION_BOUNDS_MS[at];
    const le = bound === undefined ? '+Inf' : String(bound / 1000);
    lines.push(`${name}_bucket${labelText(names, labels, `le="${le}"`)} ${sum}`);
  }
  const all = labelText(names, labels);
  return [...lines, `${name}_sum${all} ${number(sumMs / 1000)}`, `${name}_count${all} ${sum}`];
}

/** How long the loop may be held by one part of a rendering. */
const SLICE_MS = 4;

/** The whole exposition. A part that takes long is followed by a turn of the loop: others wait for no more than a part. */
export async function renderMetrics<View>(
  metrics: readonly Metric<View>[],
  view: View,
  format: ExpositionFormat,
): Promise<string> {
  const parts: string[] = [];
  let sliceMs = performance.now();
  for (const metric of metrics) {
    parts.push(renderMetric(metric, view, format));
    if (performance.now() - sliceMs < SLICE_MS) continue;
    await new Promise(setImmediate);
    sliceMs = performance.now();
  }
  if (format === 'open') parts.push('# EOF\n');
  return parts.join('');
}

/** `renderMetrics`, but one rendering serves all who ask within a second. */
export function cachedMetrics<View>(
  metrics: readonly Metric<View>[],
  view: () => View,
): (format: ExpositionFormat) => Promise<string> {
  const renderings = new Map<ExpositionFormat, { readonly atMs: number; readonly text: Promise<string> }>();
  return (format) => {
    const nowMs = performance.now();
    const known = renderings.get(format);
    if (known !== undefined && nowMs - known.atMs < WEB_LIMITS.cacheMs) return known.text;
    const text = renderMetrics(metrics, view(), format);
    renderings.set(format, { atMs: nowMs, text });
    return text;
  };
}
