import { type RingId, ringIdEquals } from '../lib/ring-id.ts';
import { FLIGHT_STATES, type FlightRecord, type FlightRecordOf, LINK_CAUSES } from '../observe/flight/index.ts';
import { timeText } from '../observe/why/index.ts';
import { GATHER_REASONS } from '../totem/index.ts';

/** Shorter ones are everywhere. */
const PAUSE_MS_MIN = 100;

/**
 * Why a ring was formed, in a sentence or two, from what the flight recorder has between the ring before it and this one; empty when it has
 * nothing of that. `name`: what a node is called.
 */
export function causeOfRing(
  records: readonly FlightRecord[],
  ringId: RingId,
  name: (nodeId: number) => string,
): string {
  const end = records.findLastIndex(({ kind, ring }) => kind === 'operational' && ringIdEquals(ring, ringId));
  if (end < 0) return '';
  const before = records.slice(0, end).findLastIndex(({ kind }) => kind === 'operational');
  const between = records.slice(before + 1, end);
  const first = between.findIndex(({ kind }) => kind === 'gather');
  if (first < 0) return '';
  // What led to it comes shortly before the first GATHER; what is older belongs to the life of the ring before.
  const gather = between[first] as FlightRecordOf<'gather'>;
  const near = between.filter(
    ({ monotonicMs }) => monotonicMs >= gather.monotonicMs - Math.max(3000, gather.silentMs * 2),
  );
  // A process that ended takes its links along: they say nothing more; nor do links to those who were not lost now.
  const { left } = records[end] as FlightRecordOf<'operational'>;
  const isOfChange = (nodeId: number): boolean => left.length === 0 || left.includes(nodeId);
  const ended = near.flatMap((record) =>
    record.kind === 'memberDied' || record.kind === 'leave' ? [record.node] : [],
  );
  const relevant = near.filter(
    (record) => record.kind !== 'link' || (isOfChange(record.node) && !ended.includes(record.node)),
  );
  const words = [...new Set(relevant.flatMap((record) => trigger(record, name)))];
  const why = words.length > 0 ? words : [reasonText(gather, name)];
  const attempts = between.filter(({ kind }) => kind === 'gather').length;
  return [...why, ...(attempts > 2 ? [`agreed at the attempt number ${attempts}`] : [])].join('; ');
}

/** What explains a change by itself. */
function trigger(record: FlightRecord, name: (nodeId: number) => string): readonly string[] {
  switch (record.kind) {
    case 'memberDied':
      return [`the process of ${name(record.node)} ended`];
    case 'leave':
      return [`${name(record.node)} took its leave`];
    case 'pause':
      return record.ms >= PAUSE_MS_MIN ? [`this node did not run for ${timeText(record.ms)}`] : [];
    case 'tokenLost':
      return FLIGHT_STATES[record.state] === 'operational'
        ? [`no token for ${timeText(record.silentMs)} (timeout ${timeText(record.timeoutMs)})`]
        : [];
    case 'link':
      return record.up === 0
        ? [`link ${record.link} to ${name(record.node)} went down${causeText(LINK_CAUSES[record.cause])}`]
        : [];
    default:
      return [];
  }
}

const causeText = (cause: string | undefined): string => (cause === undefined || cause === '' ? '' : ` (${cause})`);

function reasonText({ reason, node }: FlightRecordOf<'gather'>, name: (nodeId: number) => string): string {
  const text = (GATHER_REASONS[reason] ?? 'unknown').replace(/\.$/, '');
  return node === 0 ? text : `${name(node)} began it: ${text}`;
}
