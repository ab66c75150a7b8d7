import { QUORUM_RULES, type QuorumRule } from '../../lib/quorum-rule.ts';
import type { FlightKind, FlightRecord, FlightRecordOf } from '../flight/index.ts';

/** What `describeChange` gets: one change from its begin to the next one, and what was there before. */
export interface Draft {
  /** GATHER is entered; COMMIT, where a JOIN completed the agreement on the spot. */
  readonly begin: FlightRecordOf<'gather'> | FlightRecordOf<'commit'>;
  /** Records of this life before the begin, the latest last, back to the change before. */
  readonly earlier: readonly FlightRecord[];
  /** From the begin on. */
  readonly records: FlightRecord[];
  readonly quorumBefore: FlightRecordOf<'quorum'> | null;
  readonly timings: FlightRecordOf<'timings'> | null;
  /** The last record about each link, at the begin. */
  readonly links: readonly FlightRecordOf<'link'>[];
  readonly first: boolean;
  formed: boolean;
}

/** Records of one kind. */
export const ofKind = <K extends FlightKind>(records: readonly FlightRecord[], kind: K): readonly FlightRecordOf<K>[] =>
  records.filter((record): record is FlightRecord & FlightRecordOf<K> => record.kind === kind);

export const quorumRule = (record: FlightRecordOf<'quorum'>): QuorumRule =>
  QUORUM_RULES[record.rule] ?? 'another provider';
