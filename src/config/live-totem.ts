import type { Icmap } from './icmap/index.ts';
import { changedFields, isEmpty } from './reload/fields.ts';
import { ACTING_TABLES, readActingParts } from './totem/acting.ts';
import { checkTimings, type TimingProblem } from './totem/timings.ts';
import type { TotemChanges, TotemConfig } from './totem-config.ts';

export type LiveResult =
  /** `null`: nothing that is in force has changed. */
  | { readonly ok: true; readonly changes: TotemChanges | null }
  /** `stockMessage` is what stock logs; unlike stock the value is not used (config-and-tools.md 8.1 T6). */
  | { readonly ok: false; readonly problem: TimingProblem; readonly stockMessage: string };

const acting: ReadonlySet<string> = new Set(ACTING_TABLES.flat().map(({ section, key }) => `${section}.${key}`));

/** Whether a key of the map is an option that acts as soon as it is set. */
export const actsAtOnce = (key: string): boolean => acting.has(key);

/**
 * What somebody who set `totem.` keys in the live map has changed of the ring's configuration (config-and-tools.md 1.11): timings and knet's
 * tunables. Addresses, links and what belongs to them, nodes and crypto need a reload: as in stock, a link keeps the ping timers that it has,
 * also when the token timeout changes that they were made from.
 */
export function changesOf(current: TotemConfig, map: Icmap): LiveResult {
  const parts = readActingParts(map, current.tokenNodes);
  const problem = checkTimings(map, parts.timings);
  if (problem !== null) return { ok: false, problem, stockMessage: `parse error in config: ${problem.text}` };
  const changes: TotemChanges = {
    timings: changedFields(current.timings, parts.timings),
    knet: changedFields(current.knet, parts.knet),
    compression: changedFields(current.compression, parts.compression),
    filter: changedFields(current.filter, parts.filter),
  };
  return { ok: true, changes: Object.values(changes).every(isEmpty) ? null : changes };
}
