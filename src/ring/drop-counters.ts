import { dropKey } from '../lib/drop-key.ts';
import type { SharedStatistics } from './shared-statistics.ts';

export type DropCounters<Reason extends string> = Readonly<Record<Reason, () => void>>;

/** A counter for each reason of a layer, there from the start (`rondo.dropped.<layer>.<reason>`). */
export function dropCounters<Reason extends string>(
  statistics: SharedStatistics,
  layer: string,
  reasons: readonly Reason[],
): DropCounters<Reason> {
  const entries = reasons.map((reason) => {
    const { values, slot } = statistics.counter(dropKey(layer, reason));
    return [reason, () => void values[slot]!++] as const;
  });
  return Object.fromEntries(entries) as unknown as DropCounters<Reason>;
}
