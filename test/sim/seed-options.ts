import { hasCfg } from './agreements.ts';
import { hasAmbushes } from './ambushes.ts';
import { hasKnet } from './knet-lines.ts';
import { hasParts } from './replica-parts.ts';
import { hasReplicas } from './replicas.ts';
import { hasVotes } from './sim-quorum.ts';
import type { SimOptions } from './world.ts';

/** What the seeds of a campaign have beside what all have: each kind is a share of them, and follows from the seed. */
export const optionsOf = (
  seed: number,
  { attack, churn }: { readonly attack: boolean; readonly churn: boolean },
): SimOptions => ({
  checkReassembly: seed % 3 === 0,
  attack,
  churn,
  quorum: hasVotes(seed),
  knet: hasKnet(seed) && !attack,
  ambushes: hasAmbushes(seed) && !attack,
  cfg: hasCfg(seed) && !attack,
  replicas: hasReplicas(seed) && !attack,
  parts: hasParts(seed) && !attack,
});
