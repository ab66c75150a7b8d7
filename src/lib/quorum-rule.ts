/** What decided that there is quorum, or that there is none. */
export const QUORUM_RULES = [
  'votes',
  'two_node',
  'wait_for_all',
  'auto_tie_breaker',
  'quorum device (master wins)',
  'no quorum provider',
  'another provider',
] as const;
export type QuorumRule = (typeof QUORUM_RULES)[number];

/** The figures behind a decision; zeros where the provider counts no votes. */
export interface QuorumBasis {
  readonly rule: QuorumRule;
  readonly votes: number;
  readonly needed: number;
  readonly expected: number;
}
