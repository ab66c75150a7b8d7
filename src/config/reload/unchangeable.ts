import { cmapValueEquals } from '../../lib/cmap-value.ts';
import { CsError } from '../../lib/errors.ts';
import type { Icmap } from '../icmap/index.ts';
import { OPTIONS } from '../options/index.ts';

/** Keys that a running daemon keeps whatever the file says (config-and-tools.md 1.10 step 6). */
export const UNCHANGEABLE_KEYS: readonly string[] = [
  ...new Set(OPTIONS.filter(({ reload }) => reload === 'no').map(({ section, key }) => `${section}.${key}`)),
];

/** Keys below these are deleted from the live map when the file no longer has them (1.10 step 5). */
export const RELOAD_PREFIXES = ['logging.', 'totem.', 'nodelist.', 'quorum.', 'uidgid.config.', 'nozzle.'] as const;

/**
 * Puts the live values of the unchangeable keys into a staging map and returns the keys that the file has changed.
 * A key that vanished from the file stays too: stock deletes it, and cannot take it back before its next start.
 */
export function keepUnchangeable(staging: Icmap, live: Icmap): string[] {
  const ignored: string[] = [];
  for (const key of UNCHANGEABLE_KEYS) {
    const now = live.get(key);
    const wanted = staging.get(key);
    if (now === undefined && wanted === undefined) continue;
    if (now !== undefined && wanted !== undefined && cmapValueEquals(now, wanted)) continue;
    ignored.push(key);
    if (now === undefined) staging.delete(key);
    else if (staging.setValue(key, now) !== CsError.OK) staging.delete(key);
  }
  return ignored;
}
