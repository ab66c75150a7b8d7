/** Reasons for entering GATHER (totem.md 4.4); the texts are in `GATHER_TEXTS`. */
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

interface GatherText {
  /** As stock logs it (totem.md 4.4). */
  readonly logged: string;
  /** What an operator is told. */
  readonly words: string;
}

const text = (logged: string, words: string): GatherText => ({ logged, words });

/** The index is the reason. */
const GATHER_TEXTS: readonly GatherText[] = [
  text('consensus timeout', 'the nodes did not agree within the consensus timeout'),
  text('MISSING', 'no reason was given'),
  text('The token was lost in the OPERATIONAL state.', 'the token was lost'),
  text('The consensus timeout expired.', 'the nodes did not agree within the consensus timeout'),
  text('The token was lost in the COMMIT state.', 'the token was lost while a ring was being committed'),
  text('The token was lost in the RECOVERY state.', 'the token was lost while a ring was being recovered'),
  text('failed to receive', 'messages that the others have did not arrive'),
  text('foreign message in operational state', 'a message of another ring arrived'),
  text('foreign message in gather state', 'a message of another ring arrived before the nodes had agreed'),
  text('merge during operational state', 'another ring was found'),
  text('merge during gather state', 'another ring was found before the nodes had agreed'),
  text('merge during join', 'a JOIN arrived that names other nodes, or other failures'),
  text('join during operational state', 'a JOIN arrived'),
  text('join during commit state', 'a JOIN arrived while a ring was being committed'),
  text('join during recovery', 'a JOIN arrived while a ring was being recovered'),
  text('interface change', 'a start, or a network interface that came or went'),
  text('a member has died', 'the process of a member has ended'),
  text(
    'all members but silent ones agree that those are silent',
    'all members but silent ones agree that those are silent',
  ),
];

/** As stock logs it; for a reason that is none, a question mark. */
export const gatherReasonLogged = (reason: number): string => GATHER_TEXTS[reason]?.logged ?? '?';

/** For whoever reads a story of the ring. */
export const gatherReasonWords = (reason: number): string => GATHER_TEXTS[reason]?.words ?? `reason ${reason}`;
