import { agreeing, counted } from '../lib/counted.ts';
import type { SeenFact } from './fact.ts';
import type { GroupMessage } from './group-messages.ts';

const RINGS_MAX = 1_000;
/** Numbers of messages that are remembered for each ring: as many as can be on their way. */
const NUMBERS_KEPT = 16_384;
const SENDERS_KEPT = 4_096;
/** More than any ring has; whoever makes up packets makes up nodes. */
const NODES_KEPT = 1_024;
/** Of where copies of a message went. */
const WAYS_CHARACTERS_MAX = 16_384;
const SENDERS_SHOWN = 10;

interface Ring {
  readonly id: string;
  readonly firstMs: number;
  lastMs: number;
  visits: number;
  readonly nodes: Set<number>;
  /** When the token left each node last. */
  readonly leftMs: Map<number, number>;
  rotations: number;
  rotationSumMs: number;
  rotationMaxMs: number;
  lastToken: { readonly node: number; readonly tokenSeq: number } | null;
  tokensAgain: number;
  /** Who was seen with a message first, on which way. */
  readonly seen: Map<number, string>;
  first: number;
  last: number;
  again: number;
  readonly payload: Map<string, { count: number }>;
}

/** The token and the messages of each ring. */
export class RingStory {
  private readonly rings = new Map<string, Ring>();
  private current: Ring | null = null;

  constructor(private readonly report: (fact: SeenFact, text: string) => void) {}

  /** How long ago the last token was seen; `null`: none yet. */
  sinceTokenMs(nowMs: number): number | null {
    return this.current === null ? null : nowMs - this.current.lastMs;
  }

  /** Whether it is the token that this node has sent before. */
  token(fact: SeenFact): boolean {
    const { timeMs } = fact.packet;
    const ring = this.ring(String(fact.data['ring']), timeMs);
    if (ring === null) return false;
    const tokenSeq = Number(fact.data['tokenSeq']);
    if (this.current !== ring) {
      this.report(
        fact,
        `the token of ring ${ring.id} goes round${this.current === null ? '' : `, after ring ${this.current.id}`}`,
      );
      this.current = ring;
    }
    const again = ring.lastToken?.node === fact.node && ring.lastToken.tokenSeq === tokenSeq;
    if (again) ring.tokensAgain++;
    else this.visit(ring, fact.node, timeMs);
    ring.lastToken = { node: fact.node, tokenSeq };
    ring.lastMs = timeMs;
    return again;
  }

  private visit(ring: Ring, node: number, timeMs: number): void {
    ring.visits++;
    if (ring.nodes.size >= NODES_KEPT && !ring.nodes.has(node)) return;
    ring.nodes.add(node);
    const before = ring.leftMs.get(node);
    ring.leftMs.set(node, timeMs);
    if (before === undefined) return;
    ring.rotations++;
    ring.rotationSumMs += timeMs - before;
    ring.rotationMaxMs = Math.max(ring.rotationMaxMs, timeMs - before);
  }

  /** Whether a message was there before; on udp and udpu each receiver's copy is one sending. */
  message(fact: SeenFact): { readonly again: boolean; readonly original: number } {
    const { packet } = fact;
    const ring = this.ring(String(fact.data['ring']), packet.timeMs);
    const seq = Number(fact.data['seq']);
    if (ring === null) return { again: false, original: fact.node };
    const known = ring.seen.get(seq);
    const way = ` ${packet.from}>${packet.to} `;
    if (known === undefined) {
      ring.seen.set(seq, `${packet.from}${way}`);
      if (ring.seen.size > NUMBERS_KEPT) forgetFirst(ring.seen);
      ring.first = Math.min(ring.first, seq);
      ring.last = Math.max(ring.last, seq);
      for (const message of fact.data['messages'] as readonly GroupMessage[])
        if (message.payload) count(ring, fact.node, message);
      return { again: false, original: fact.node };
    }
    const copy = known.startsWith(`${packet.from} `) && !known.includes(way);
    if (copy && known.length < WAYS_CHARACTERS_MAX) ring.seen.set(seq, `${known}${way}`);
    else if (!copy) ring.again++;
    return { again: !copy, original: fact.node };
  }

  private ring(id: string, timeMs: number): Ring | null {
    const known = this.rings.get(id);
    if (known !== undefined) return known;
    if (this.rings.size >= RINGS_MAX) return null;
    const ring: Ring = {
      id,
      firstMs: timeMs,
      lastMs: timeMs,
      visits: 0,
      nodes: new Set(),
      leftMs: new Map(),
      rotations: 0,
      rotationSumMs: 0,
      rotationMaxMs: 0,
      lastToken: null,
      tokensAgain: 0,
      seen: new Map(),
      first: Number.POSITIVE_INFINITY,
      last: 0,
      again: 0,
      payload: new Map(),
    };
    this.rings.set(id, ring);
    return ring;
  }

  summary(): readonly string[] {
    return [...this.rings.values()].flatMap((ring) => [ringText(ring), ...payloadTexts(ring)]);
  }
}

function forgetFirst(seen: Map<number, string>): void {
  for (const seq of seen.keys()) {
    seen.delete(seq);
    return;
  }
}

function count(ring: Ring, node: number, message: GroupMessage): void {
  const key = `node ${node}: ${message.text.replace(/, \d+( of \d+)? bytes?.*$/, '')}`;
  const entry = ring.payload.get(key);
  if (entry !== undefined) entry.count++;
  else if (ring.payload.size < SENDERS_KEPT) ring.payload.set(key, { count: 1 });
}

function ringText(ring: Ring): string {
  const nodes = [...ring.nodes].sort((a, b) => a - b).join(' ');
  const seconds = ((ring.lastMs - ring.firstMs) / 1000).toFixed(3);
  const mean = ring.rotations === 0 ? null : ring.rotationSumMs / ring.rotations;
  const rotation =
    mean === null ? '' : `, one rotation ${mean.toFixed(2)} ms (longest ${ring.rotationMaxMs.toFixed(2)})`;
  const messages = ring.last === 0 ? 'no messages' : `messages ${ring.first} to ${ring.last}`;
  const again = `${ring.again} sent again, ${counted(ring.tokensAgain, 'token')} sent again`;
  return `ring ${ring.id}: ${counted(ring.visits, 'token')} of ${nodes === '' ? 'unknown nodes' : `${agreeing(ring.nodes.size, 'node', 'nodes')} ${nodes}`} in ${seconds} s${rotation}; ${messages}, ${again}`;
}

/** The busiest first. */
function payloadTexts(ring: Ring): string[] {
  const busiest = [...ring.payload].sort((a, b) => b[1].count - a[1].count);
  const shown = busiest.slice(0, SENDERS_SHOWN).map(([text, { count: times }]) => `  ${times} × ${text}`);
  return busiest.length > shown.length ? [...shown, `  and ${busiest.length - shown.length} senders more`] : shown;
}
