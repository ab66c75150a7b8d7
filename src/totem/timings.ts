/** Timers and parameters of the ring protocol (totem.md 3). The configuration's `TotemTimings` fits in here. */
export interface SrpTimings {
  /** Silence after which a ring is given up. */
  readonly tokenMs: number;
  /** Percent of `tokenMs` after which a missing token is reported; 0 = never. */
  readonly tokenWarningPercent: number;
  readonly tokenRetransmitMs: number;
  /** How long the representative keeps an idle token. */
  readonly holdMs: number;
  readonly joinMs: number;
  /** Upper bound of the random delay before a JOIN; 0 = none. */
  readonly sendJoinMs: number;
  readonly consensusMs: number;
  readonly mergeMs: number;
  /** Token visits without progress after which a node declares itself failed (totem.md 4.13). */
  readonly failRecvConst: number;
  /** Token visits without a new message after which the ring is idle. */
  readonly seqnoUnchangedConst: number;
  readonly heartbeatFailuresAllowed: number;
  readonly maxNetworkDelayMs: number;
  /** Messages on the ring in one rotation, and of one node in one visit. */
  readonly windowSize: number;
  readonly maxMessages: number;
  /** Token visits after which a missing message is asked for. */
  readonly missCountConst: number;
  readonly cancelTokenHoldOnRetransmit: boolean;
  /** Messages of a visit that may follow the token; 0: none, `WINDOW_AUTO` (src/lib): where all members bear it. */
  readonly acceleratedWindow: number;
  /** Silence on all links after which a member is dead if all others see it, too (suspicion.ts); counts below `tokenMs` only; 0 = never. */
  readonly silenceMs: number;
}
