import type { Icmap } from '../icmap/index.ts';
import { COMPRESSION, FILTER, KNET_LINK, KNET_OPTIONS } from '../options/knet.ts';
import type { OptionSpec } from '../options/option.ts';
import { TIMING } from '../options/timing.ts';
import type { ActingParts, KnetLinkSettings } from '../totem-config.ts';
import { readSettings } from './settings.ts';
import { readTimings } from './timings.ts';

/** The table of each part of the configuration whose options act at run time. */
export const ACTING: Readonly<Record<keyof ActingParts, readonly OptionSpec[]>> = {
  timings: TIMING,
  knet: KNET_OPTIONS,
  compression: COMPRESSION,
  filter: FILTER,
};
export const ACTING_TABLES = Object.values(ACTING);

export const readActingParts = (map: Icmap, tokenNodes: number): ActingParts => ({
  timings: readTimings(map, tokenNodes),
  knet: readSettings(KNET_OPTIONS, map, 'totem.'),
  compression: readSettings(COMPRESSION, map, 'totem.'),
  filter: readSettings(FILTER, map, 'totem.'),
});

export const readKnetLink = (map: Icmap, linkId: number, tokenMs: number): KnetLinkSettings =>
  readSettings(KNET_LINK, map, `totem.interface.${linkId}.`, { tokenMs });
