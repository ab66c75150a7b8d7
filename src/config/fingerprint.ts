import { createHash } from 'node:crypto';
import { cmapTypeName, cmapValueText } from '../lib/cmap-value.ts';
import { type Icmap, isSecret, TRACK_CHANGES, TrackEvent } from './icmap/index.ts';

/** What all nodes of a cluster have in common; the rest (logging, paths, accounts) is each node's own. */
const SHARED_PREFIXES = ['nodelist.node.', 'quorum.', 'totem.'] as const;
/** Below them, what a node adds for itself. */
const OWN_KEYS = /^(?:totem\.keyfile|totem\.interface\.\d+\.bindnetaddr|quorum\.cancel_wait_for_all)$/;
const DIGEST_CHARACTERS = 32;

/** Keys and values that the digest is made of: of a file that was loaded, or of the map in force. */
export function* sharedConfiguration(map: Icmap): Generator<readonly [key: string, value: string]> {
  for (const prefix of SHARED_PREFIXES) {
    for (const { key, value } of map.entries(prefix))
      if (!isSecret(key) && !OWN_KEYS.test(key)) yield [key, `${cmapTypeName(value.type)} ${cmapValueText(value)}`];
  }
}

/**
 * Digest of the configuration that all nodes should share: equal on two nodes exactly if their values are, whatever the files look like. Keys are not in
 * it: who has another one is not heard at all.
 */
export function configurationFingerprint(map: Icmap): string {
  const hash = createHash('sha256');
  for (const [key, value] of sharedConfiguration(map)) hash.update(`${key}\0${value}\0`);
  return hash.digest('hex').slice(0, DIGEST_CHARACTERS);
}

/** The same for a map in force, made again only after one of its keys has changed. */
export function trackedFingerprint(map: Icmap): () => string {
  let known: string | null = null;
  for (const prefix of SHARED_PREFIXES)
    map.track(prefix, TRACK_CHANGES | TrackEvent.PREFIX, () => {
      known = null;
    });
  return () => {
    known ??= configurationFingerprint(map);
    return known;
  };
}
