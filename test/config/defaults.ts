import { Icmap } from '../../src/config/icmap/index.ts';
import { readActingParts, readKnetLink } from '../../src/config/totem/acting.ts';
import type { ActingParts, KnetLinkSettings } from '../../src/config/totem-config.ts';

/** What the option table says of a file that says nothing: a new option needs no word in the tests of others. */
export const partDefaults = (): ActingParts => readActingParts(new Icmap(), 1);

export const knetLinkDefaults = (tokenMs: number): KnetLinkSettings => readKnetLink(new Icmap(), 0, tokenMs);
