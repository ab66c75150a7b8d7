import { type RingId, ringIdEquals, ringIdText } from '../../lib/ring-id.ts';
import type { FlightRecord } from '../flight/index.ts';
import { recordText } from './record-text.ts';
import { clockText, nodesText } from './words.ts';

/** The records of one node, oldest first. */
export interface RecordedNode {
  readonly nodeId: number;
  readonly records: readonly FlightRecord[];
}

export interface TimelineEvent {
  readonly node: number;
  /** Since the ring of its section formed at this node, by its own monotonic clock; since its daemon started, before any ring. */
  readonly atMs: number;
  readonly text: string;
}

/** A ring, and what its members recorded until each of them was in the next one. */
export interface TimelineSection {
  /** `null`: before a first ring. */
  readonly ring: RingId | null;
  /** Nodes that recorded it. */
  readonly nodes: readonly number[];
  /** When it formed, since 1970, by the clock of the first of them; nothing is ordered by it. */
  readonly wallMs: number;
  readonly members: readonly number[];
  readonly events: readonly TimelineEvent[];
}

interface OwnSection {
  readonly node: number;
  readonly ring: RingId | null;
  readonly anchorMs: number;
  readonly wallMs: number;
  readonly members: readonly number[];
  readonly events: TimelineEvent[];
}

/**
 * One story of several nodes. Rings order it: their sequence numbers only grow, and whoever was in a ring recorded its id. A ring forms at
 * all of its members within one rotation of the token, so what happens in it is counted from there, by each node's own clock: clocks are
 * never compared.
 */
export function timeline(nodes: readonly RecordedNode[]): readonly TimelineSection[] {
  const own = nodes.flatMap(sectionsOf);
  const rings: RingId[] = [];
  for (const { ring } of own) if (ring !== null && !rings.some((known) => ringIdEquals(known, ring))) rings.push(ring);
  rings.sort((a, b) => a.seq - b.seq || a.rep - b.rep);
  const merged = [null, ...rings].map((ring) => mergeSections(ring, own));
  return merged.filter(({ events }) => events.length > 0);
}

function mergeSections(ring: RingId | null, own: readonly OwnSection[]): TimelineSection {
  const parts = own.filter((part) =>
    ring === null ? part.ring === null : part.ring !== null && ringIdEquals(part.ring, ring),
  );
  const events = parts.flatMap((part) => part.events);
  return {
    ring,
    nodes: [...new Set(parts.map(({ node }) => node))],
    wallMs: parts[0]?.wallMs ?? 0,
    members: parts[0]?.members ?? [],
    events: events.sort((a, b) => a.atMs - b.atMs || a.node - b.node),
  };
}

/** Cuts the records of a node where a ring formed, and where its daemon started. */
function sectionsOf({ nodeId: node, records }: RecordedNode): readonly OwnSection[] {
  const sections: OwnSection[] = [];
  let life = -1;
  for (const record of records) {
    const { monotonicMs: anchorMs, wallMs } = record;
    if (record.life !== life) {
      life = record.life;
      sections.push({ node, ring: null, anchorMs, wallMs, members: [], events: [] });
    }
    if (record.kind === 'operational')
      sections.push({ node, ring: record.ring, anchorMs, wallMs, members: record.members, events: [] });
    const section = sections.at(-1);
    const text = recordText(record);
    if (section !== undefined && text !== null) section.events.push({ node, atMs: anchorMs - section.anchorMs, text });
  }
  return sections;
}

export function timelineLines(sections: readonly TimelineSection[]): readonly string[] {
  return sections.flatMap(({ ring, nodes, wallMs, members, events }) => {
    const heading =
      ring === null
        ? 'Before a first ring'
        : `Ring ${ringIdText(ring)}, members ${members.join(' ')}, as ${nodesText(nodes)} recorded it (formed at ${clockText(wallMs)} by the clock of node ${nodes[0]})`;
    const rows = events.map(({ node, atMs, text }) => `  ${offsetText(atMs)}  node ${node}  ${text}`);
    return [heading, ...rows, ''];
  });
}

const offsetText = (ms: number): string => `+${(ms / 1000).toFixed(3)} s`.padStart(13);
