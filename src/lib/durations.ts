/** Upper bounds of the buckets of a histogram of durations, in milliseconds; what is longer than the last one has a bucket of its own. */
export const DURATION_BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000,
];
const BUCKETS = DURATION_BOUNDS_MS.length + 1;
/** Behind the buckets: the sum of all durations, in milliseconds. */
const SUM_AT = BUCKETS;
/** Numbers that one histogram takes. */
export const DURATION_SLOTS = BUCKETS + 1;

/** Places in the array that a duration is handed over in: two moments, in milliseconds. A fraction in a field or an argument becomes garbage. */
export const Span = { FROM: 0, TO: 1 } as const;

/**
 * Counts durations by size, in numbers that another thread may read while this one writes: nothing is allocated. Buckets are not
 * cumulative here; who shows them adds them up.
 */
export class DurationCounts {
  constructor(private readonly values: Float64Array) {}

  add(span: Float64Array): void {
    const ms = Math.max(0, span[Span.TO]! - span[Span.FROM]!);
    let bucket = 0;
    while (bucket < BUCKETS - 1 && ms > DURATION_BOUNDS_MS[bucket]!) bucket++;
    this.values[bucket] = this.values[bucket]! + 1;
    this.values[SUM_AT] = this.values[SUM_AT]! + ms;
  }
}

/** How often each bucket was hit, as another thread reads it, and the sum. */
export interface DurationReading {
  readonly counts: readonly number[];
  readonly sumMs: number;
}

export function readDurations(values: ArrayLike<number>): DurationReading {
  return { counts: Array.from({ length: BUCKETS }, (_, at) => values[at] ?? 0), sumMs: values[SUM_AT] ?? 0 };
}

/** What happened between two readings of the same histogram. */
export function durationsBetween(before: DurationReading, now: DurationReading): DurationReading {
  return {
    counts: now.counts.map((count, at) => Math.max(0, count - (before.counts[at] ?? 0))),
    sumMs: Math.max(0, now.sumMs - before.sumMs),
  };
}

/**
 * The duration that a share of all does not exceed, in milliseconds, with even distribution inside of a bucket; the last bound for what is
 * longer. `null`: there were none.
 */
export function durationQuantile({ counts }: DurationReading, share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = total * share;
  for (let at = 0; at < DURATION_BOUNDS_MS.length; at++) {
    const count = counts[at] ?? 0;
    const from = at === 0 ? 0 : DURATION_BOUNDS_MS[at - 1]!;
    if (count > 0 && left <= count) return from + (DURATION_BOUNDS_MS[at]! - from) * (left / count);
    left -= count;
  }
  return DURATION_BOUNDS_MS.at(-1) ?? null;
}
