import { FLIGHT_RECORD_BYTES, type FlightLayout, type FlightPart } from '../observe/flight/index.ts';

/** Records that lie together in both places. */
export interface CopyRun {
  readonly part: FlightPart;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** Sequence number of its last record. */
  readonly last: number;
}

type PartPlace = FlightLayout['parts'][number];

/** The records after `copied`, up to `last`, in pieces that are contiguous in both rings. Those that are gone already are left out. */
export function copyRuns(from: PartPlace, to: PartPlace, copied: number, last: number): readonly CopyRun[] {
  const runs: CopyRun[] = [];
  const kept = Math.min(from.records, to.records);
  for (let next = Math.max(copied, last - kept); next < last; ) {
    const fromIndex = next % from.records;
    const toIndex = next % to.records;
    const count = Math.min(last - next, from.records - fromIndex, to.records - toIndex);
    next += count;
    runs.push({
      part: from.part,
      from: from.offset + fromIndex * FLIGHT_RECORD_BYTES,
      to: to.offset + toIndex * FLIGHT_RECORD_BYTES,
      bytes: count * FLIGHT_RECORD_BYTES,
      last: next,
    });
  }
  return runs;
}
