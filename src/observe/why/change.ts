import type { QuorumRule } from '../../lib/quorum-rule.ts';
import type { RingId } from '../../lib/ring-id.ts';

/** Why GATHER was entered, in one of these ways. */
export type ChangeCause =
  /** No token for too long. `timer`: which one said so. */
  | { readonly kind: 'tokenLost'; readonly timer: string; readonly silentMs: number; readonly timeoutMs: number }
  | { readonly kind: 'leave'; readonly node: number }
  | { readonly kind: 'died'; readonly node: number }
  /** All other members agreed that these were silent. */
  | { readonly kind: 'silent'; readonly nodes: readonly number[] }
  /** A node that was no member asked. */
  | { readonly kind: 'join'; readonly node: number }
  /** A member gave the ring up before this node did. */
  | { readonly kind: 'gaveUp'; readonly node: number }
  | { readonly kind: 'otherRing'; readonly node: number }
  | { readonly kind: 'failedToReceive' }
  | { readonly kind: 'start' }
  | { readonly kind: 'interface' }
  | { readonly kind: 'other'; readonly reason: number };

/** What was heard last from one node on one link, when that decided. */
export interface LastHeard {
  readonly node: number;
  readonly link: number;
  /** `null`: nothing since this daemon runs. */
  readonly silentMs: number | null;
  readonly up: boolean;
}

/** A time in which this process did not run. */
export interface OwnPause {
  readonly ms: number;
  readonly noticedBy: readonly string[];
  /** When it ended, counted from the last token before the change. */
  readonly endedMs: number;
}

/** A link that changed, or was down; `atMs` counts from the begin of the change. */
export interface LinkNews {
  readonly node: number;
  readonly link: number;
  readonly up: boolean;
  readonly cause: string;
  readonly atMs: number;
}

export interface ServicePhase {
  readonly service: number;
  readonly processMs: number;
  readonly barrierMs: number;
}

export interface ChangePhases {
  /** From the last token to the begin; 0 when the ring was not lost. */
  readonly silenceMs: number;
  readonly gatherMs: number;
  readonly commitMs: number;
  readonly recoveryMs: number;
  readonly syncMs: number | null;
  readonly services: readonly ServicePhase[];
  /** From the last token, or from the begin, until services were in step again. */
  readonly totalMs: number | null;
  /** How often GATHER was entered, and how many rounds of synchronization came to nothing. */
  readonly rounds: number;
  readonly syncsAborted: number;
}

export interface QuorumNews {
  readonly before: boolean | null;
  readonly quorate: boolean;
  readonly rule: QuorumRule;
  readonly votes: number;
  readonly needed: number;
  readonly expected: number;
}

/** One membership change as one node saw it. */
export interface MembershipChange {
  readonly life: number;
  /** Since 1970, when it began; both clocks. */
  readonly wallMs: number;
  readonly monotonicMs: number;
  /** The ring before, and the one that formed; `null`: none has. */
  readonly from: RingId;
  readonly to: RingId | null;
  readonly before: readonly number[];
  readonly members: readonly number[];
  readonly joined: readonly number[];
  readonly left: readonly number[];
  /** Those of `left` that did not take their leave. */
  readonly lost: readonly number[];
  /** They went on without this node, and are in a ring with it again. */
  readonly wentOnWithout: readonly number[];
  readonly cause: ChangeCause;
  /** Who did not agree in time, and was taken for dead. */
  readonly takenForDead: readonly number[];
  readonly consensusMs: number;
  readonly heard: readonly LastHeard[];
  readonly pauses: readonly OwnPause[];
  readonly links: readonly LinkNews[];
  readonly linksDown: readonly LinkNews[];
  readonly phases: ChangePhases;
  readonly quorum: QuorumNews | null;
}

/** One run of the daemon. */
export interface DaemonLife {
  readonly life: number;
  readonly startedMs: number;
  readonly version: string;
  readonly pid: number;
  /** `null`: no end was recorded: it runs, was killed, or the machine failed. */
  readonly end: {
    readonly cause: string;
    readonly status: number;
    readonly reason: string;
    readonly wallMs: number;
  } | null;
  /** Of its last record. */
  readonly lastMs: number;
}
