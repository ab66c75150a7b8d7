/** Reasons for entering GATHER (totem.md 4.4); the texts are in `GATHER_REASONS`. */
export const GatherReason = {
  CONSENSUS_TIMEOUT: 0,
  TOKEN_LOST_OPERATIONAL: 2,
  CONSENSUS_EXPIRED: 3,
  TOKEN_LOST_COMMIT: 4,
  TOKEN_LOST_RECOVERY: 5,
  FAILED_TO_RECEIVE: 6,
  FOREIGN_OPERATIONAL: 7,
  FOREIGN_GATHER: 8,
  MERGE_OPERATIONAL: 9,
  MERGE_GATHER: 10,
  MERGE_JOIN: 11,
  JOIN_OPERATIONAL: 12,
  JOIN_COMMIT: 13,
  JOIN_RECOVERY: 14,
  INTERFACE_CHANGE: 15,
  MEMBER_DIED: 16,
  MEMBERS_SILENT: 17,
} as const;
export type GatherReasonValue = (typeof GatherReason)[keyof typeof GatherReason];

/** Texts of the reasons for which GATHER is entered, as stock logs them (totem.md 4.4). The index is the reason. */
export const GATHER_REASONS = [
  'consensus timeout',
  'MISSING',
  'The token was lost in the OPERATIONAL state.',
  'The consensus timeout expired.',
  'The token was lost in the COMMIT state.',
  'The token was lost in the RECOVERY state.',
  'failed to receive',
  'foreign message in operational state',
  'foreign message in gather state',
  'merge during operational state',
  'merge during gather state',
  'merge during join',
  'join during operational state',
  'join during commit state',
  'join during recovery',
  'interface change',
  'a member has died',
  'all members but silent ones agree that those are silent',
] as const;
