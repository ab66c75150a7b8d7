import type { Icmap } from './icmap/index.ts';
import { KNET_LINK } from './options/knet.ts';
import { changedFields, isEmpty } from './reload/fields.ts';
import { ACTING_TABLES, readActingParts, readKnetLink } from './totem/acting.ts';
import { checkTimings, type TimingProblem } from './totem/timings.ts';
import type { KnetLinkSettings, LinkConfig, TotemChanges, TotemConfig } from './totem-config.ts';

export type LiveResult =
  /** `null`: nothing that is in force has changed. */
  | { readonly ok: true; readonly changes: TotemChanges | null }
  /** `stockMessage` is what stock logs; unlike stock the value is not used (config-and-tools.md 8.1 T6). */
  | { readonly ok: false; readonly problem: TimingProblem; readonly stockMessage: string };

const acting: ReadonlySet<string> = new Set(
  [...ACTING_TABLES, KNET_LINK].flat().map(({ section, key }) => `${section}.${key}`),
);

/** Whether a key of the map is an option that acts as soon as it is set. */
export const actsAtOnce = (key: string): boolean => acting.has(key.replace(/^(totem\.interface)\.\d+\./, '$1.'));

/**
 * What somebody who set `totem.` keys in the live map has changed of the ring's configuration (config-and-tools.md 1.11): timings, link priorities
 * and ping timers, knet's tunables. Addresses, links, nodes and crypto need a reload.
 */
export function changesOf(current: TotemConfig, map: Icmap): LiveResult {
  const parts = readActingParts(map, current.tokenNodes);
  const problem = checkTimings(map, parts.timings);
  if (problem !== null) return { ok: false, problem, stockMessage: `parse error in config: ${problem.text}` };
  const links = current.links.map((link) => ({
    linkId: link.linkId,
    knet: changedFields(link.knet, timersKept(link, readKnetLink(map, link.linkId, parts.timings.tokenMs))),
  }));
  const changes: TotemChanges = {
    timings: changedFields(current.timings, parts.timings),
    knet: changedFields(current.knet, parts.knet),
    compression: changedFields(current.compression, parts.compression),
    filter: changedFields(current.filter, parts.filter),
    links: links.filter(({ knet }) => !isEmpty(knet)),
  };
  return { ok: true, changes: Object.values(changes).every(isEmpty) ? null : changes };
}

/** libknet refuses timers of 0 (a huge pong count makes them) and keeps those in force. */
function timersKept({ knet: old }: LinkConfig, knet: KnetLinkSettings): KnetLinkSettings {
  if (knet.pingIntervalMs !== 0 && knet.pingTimeoutMs !== 0) return knet;
  return { ...knet, pingIntervalMs: old.pingIntervalMs, pingTimeoutMs: old.pingTimeoutMs };
}
