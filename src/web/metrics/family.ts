import { DURATION_BOUNDS_MS, type DurationReading } from '../../lib/durations.ts';
import type { HistogramMetric, Metric, NumberMetric } from './metric.ts';

/** `text`: Prometheus's own format 0.0.4; `open`: OpenMetrics 1.0. */
export type ExpositionFormat = 'text' | 'open';

const escapeLabel = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const number = (value: number): string => (Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : 'NaN');

function labelText(names: readonly string[], values: LabelValues, more = ''): string {
  const pairs = names.map((name, at) => `${name}="${escapeLabel(String(values[at] ?? ''))}"`);
  if (more !== '') pairs.push(more);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

type LabelValues = readonly (string | number)[];

interface Sample {
  readonly labels: LabelValues;
  /** Name and labels, with the blank behind them. */
  readonly head: string;
  value: number;
  line: string;
}

const sameLabels = (one: LabelValues, other: LabelValues): boolean =>
  one.length === other.length && one.every((value, at) => value === other[at]);

/**
 * The lines of one family, which keeps what it wrote last: from scrape to scrape most labels and numbers are the same, and only a line whose number is
 * another is written anew.
 */
export class FamilyText<View> {
  private readonly head: string;
  private readonly samples: Sample[] = [];
  private at = 0;
  /** Since `text` was made. */
  private changed = false;
  private text = '';

  constructor(
    private readonly metric: Metric<View>,
    format: ExpositionFormat,
  ) {
    const { name, type, help, unit } = metric;
    // OpenMetrics names the family of a counter without its ending, the older format with it.
    const family = type === 'counter' && format === 'text' ? `${name}_total` : name;
    const lines = [`# HELP ${family} ${escapeHelp(help)}`, `# TYPE ${family} ${type}`];
    if (format === 'open' && unit !== undefined) lines.push(`# UNIT ${family} ${unit}`);
    this.head = lines.map((line) => `${line}\n`).join('');
  }

  /** Empty when it has no values now. */
  render(view: View): string {
    const { metric, samples } = this;
    this.at = 0;
    if (metric.type === 'histogram') metric.read(view, (reading, ...labels) => this.histogram(metric, reading, labels));
    else metric.read(view, (value, ...labels) => this.number(metric, value, labels));
    if (this.at < samples.length) {
      samples.length = this.at;
      this.changed = true;
    }
    if (this.changed) this.text = this.at === 0 ? '' : this.head + samples.map(({ line }) => line).join('');
    this.changed = false;
    return this.text;
  }

  private number({ name, type, labels: names = [] }: NumberMetric<View>, value: number, labels: LabelValues): void {
    if (this.put(labels, value)) return;
    this.add(labels, `${type === 'counter' ? `${name}_total` : name}${labelText(names, labels)}`, value);
  }

  private histogram(
    { name, labels: names = [] }: HistogramMetric<View>,
    { counts, sumMs }: DurationReading,
    labels: LabelValues,
  ): void {
    let sum = 0;
    for (const [at, count] of counts.entries()) {
      sum += count;
      if (this.put(labels, sum)) continue;
      const bound = DURATION_BOUNDS_MS[at];
      const le = bound === undefined ? '+Inf' : String(bound / 1000);
      this.add(labels, `${name}_bucket${labelText(names, labels, `le="${le}"`)}`, sum);
    }
    if (!this.put(labels, sumMs / 1000)) this.add(labels, `${name}_sum${labelText(names, labels)}`, sumMs / 1000);
    if (!this.put(labels, sum)) this.add(labels, `${name}_count${labelText(names, labels)}`, sum);
  }

  /** Takes a value into the line at this place; `false`: the one that stood there has other labels, or there was none. */
  private put(labels: LabelValues, value: number): boolean {
    const sample = this.samples[this.at];
    if (sample === undefined || !sameLabels(sample.labels, labels)) return false;
    this.at++;
    if (Object.is(sample.value, value)) return true;
    sample.value = value;
    sample.line = `${sample.head}${number(value)}\n`;
    this.changed = true;
    return true;
  }

  /** Instead of the line at this place and all behind it: in a histogram one set of labels has many lines. */
  private add(labels: LabelValues, nameAndLabels: string, value: number): void {
    const head = `${nameAndLabels} `;
    this.samples.length = this.at;
    this.samples.push({ labels, head, value, line: `${head}${number(value)}\n` });
    this.at++;
    this.changed = true;
  }
}
