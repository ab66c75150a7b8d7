import { dropKey } from '../lib/drop-key.ts';
import { DROP_NAMES, HISTOGRAM_NAMES, SRP_STATISTICS } from '../totem/index.ts';

/** What stock does not count. */
const OWN: readonly string[] = ['sent_behind_token'];

/** Names of the slots in which Totem counts, in its order (`src/totem/statistics.ts`); `drop.none` is no reason, and is not shown. */
export const TOTEM_STATISTICS: readonly string[] = [
  ...SRP_STATISTICS.map((name) => (OWN.includes(name) ? `rondo.totem.${name}` : `srp.${name}`)),
  ...DROP_NAMES.map((name) => (name === 'NONE' ? 'drop.none' : dropKey('totem', name))),
  ...HISTOGRAM_NAMES.map((name) => `hist.${name}`),
];
