import { GRANTED, GRANTED_TOO, GRANTS } from '../../security/attacker.ts';
import type { ClusterOptions } from '../lab/conf.ts';
import type { FaultScene } from './scene.ts';

/** What the membership does meanwhile: nothing (and then no message is lost), nothing where all daemons are ours, or whatever it must. */
export type RingFate = 'stays' | 'stays among ours' | 'may change';

/** One kind of fault: what is done to node 1 of a loaded ring, for how long, and what has to be true then. */
export interface Fault {
  readonly name: string;
  readonly what: string;
  readonly ring: RingFate;
  readonly holdMs: number;
  readonly options?: Partial<ClusterOptions>;
  /** Messages that each member sends every 400 ms; default 15. */
  readonly perWave?: number;
  /** Before the daemons start. Returns why this machine cannot do it, or `null`. */
  readonly prepare?: (scene: FaultScene) => Promise<string | null>;
  /** A shell script by which the victim's daemon starts. */
  readonly start?: (program: string) => string;
  readonly harm: (scene: FaultScene) => Promise<void>;
  readonly mend?: (scene: FaultScene) => Promise<void>;
}

export const USERS = { granted: GRANTED, other: GRANTED_TOO } as const;
export const FAULT_DEFAULTS: ClusterOptions = {
  transport: 'knet',
  tokenMs: 3_000,
  crypto: { cipher: 'aes256', hash: 'sha256' },
  extra: GRANTS,
};
