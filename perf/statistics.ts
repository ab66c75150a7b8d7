import type { Figures } from './measures.ts';

/** A figure over several rounds. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const at = (index: number): number => sorted[Math.max(0, index)] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? at(Math.floor(middle)) : (at(middle - 1) + at(middle)) / 2;
  return { median, low: at(0), high: at(sorted.length - 1) };
}

/** The figures of all rounds, name by name. A name that one round lacks is left out. */
export function spreads(rounds: readonly Figures[]): Readonly<Record<string, Spread>> {
  const names = Object.keys(rounds[0] ?? {}).filter((name) => rounds.every((round) => name in round));
  return Object.fromEntries(names.map((name) => [name, spreadOf(rounds.map((round) => round[name] ?? 0))]));
}

/** Geometric mean, for ratios. */
export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
