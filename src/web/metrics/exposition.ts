import { WEB_LIMITS } from '../limits.ts';
import { type ExpositionFormat, FamilyText } from './family.ts';
import type { Metric } from './metric.ts';

export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  open: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** What a client that says `accept` gets. */
export const formatFor = (accept: string | undefined): ExpositionFormat =>
  accept !== undefined && /\bapplication\/openmetrics-text\b/.test(accept) ? 'open' : 'text';

/** How long the loop may be held by one part of a rendering. */
const SLICE_MS = 4;

/** The exposition of all families in one format, again and again. */
export class Exposition<View> {
  private readonly families: readonly FamilyText<View>[];

  constructor(
    metrics: readonly Metric<View>[],
    private readonly format: ExpositionFormat,
  ) {
    this.families = metrics.map((metric) => new FamilyText(metric, format));
  }

  /** A part that takes long is followed by a turn of the loop: others wait for no more than a part. */
  async render(view: View): Promise<string> {
    const parts: string[] = [];
    let sliceMs = performance.now();
    for (const family of this.families) {
      parts.push(family.render(view));
      if (performance.now() - sliceMs < SLICE_MS) continue;
      await new Promise(setImmediate);
      sliceMs = performance.now();
    }
    if (this.format === 'open') parts.push('# EOF\n');
    return parts.join('');
  }
}

/** One rendering serves all who ask within a second. */
export function cachedMetrics<View>(
  metrics: readonly Metric<View>[],
  view: () => View,
): (format: ExpositionFormat) => Promise<string> {
  const expositions = new Map<ExpositionFormat, Exposition<View>>();
  const renderings = new Map<ExpositionFormat, { readonly atMs: number; readonly text: Promise<string> }>();
  return (format) => {
    const nowMs = performance.now();
    const known = renderings.get(format);
    if (known !== undefined && nowMs - known.atMs < WEB_LIMITS.cacheMs) return known.text;
    const exposition = expositions.get(format) ?? new Exposition(metrics, format);
    expositions.set(format, exposition);
    const text = exposition.render(view());
    renderings.set(format, { atMs: nowMs, text });
    return text;
  };
}
