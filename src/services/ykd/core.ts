import { NO_RING, type RingId } from '../../lib/ring-id.ts';
import {
  decodeYkd,
  encodeYkdAttempt,
  encodeYkdState,
  YKD_NODES_MAX,
  type YkdSession,
  type YkdState,
} from '../codec/ykd.ts';

export interface YkdOutput {
  send(message: Uint8Array): void;
  decided(view: readonly number[], primary: boolean, ringId: RingId): void;
  malformed(nodeId: number): void;
}

/**
 * Dynamic voting after Yeger-Lotem, Keidar and Dolev, as stock's provider has it: after each change every node sends what
 * it knows (state); if the new view holds at least half of the last primary component, and of every later attempt to
 * form one, all attempt to form the next; when all attempts have come, the view is the primary component.
 */
export class YkdCore {
  private view: readonly number[] = [];
  private ringId: RingId = NO_RING;
  private phase: 'state' | 'attempt' = 'state';
  /** States that came in this view; then, whose attempts came. */
  private readonly states = new Map<number, YkdState>();
  private readonly attempts = new Set<number>();
  private lastPrimary: YkdSession | null = null;
  private ambiguous: YkdSession[] = [];
  private sessionId = 0;

  constructor(
    private readonly nodeId: number,
    private readonly output: YkdOutput,
  ) {}

  /** A regular configuration. */
  configuration(members: readonly number[], ringId: RingId): void {
    // In the beginning a node is a primary component by itself.
    this.lastPrimary ??= { nodeIds: [this.nodeId], sessionId: 0 };
    this.view = [...members];
    this.ringId = ringId;
    this.phase = 'state';
    this.states.clear();
    this.attempts.clear();
    this.output.decided(this.view, false, ringId);
    if (this.view.length > YKD_NODES_MAX) return; // it cannot be written down, so there is no primary component
    const { lastPrimary, ambiguous, sessionId } = this;
    this.output.send(encodeYkdState({ lastPrimary, lastFormed: [], ambiguous, sessionId }));
  }

  deliver(nodeId: number, payload: Uint8Array): void {
    const message = decodeYkd(payload);
    if (message === null) this.output.malformed(nodeId);
    else if (this.view.includes(nodeId)) {
      if (message === 'attempt') this.attempt(nodeId);
      else this.state(nodeId, message);
    }
  }

  private state(nodeId: number, state: YkdState): void {
    if (this.phase !== 'state') return;
    this.states.set(nodeId, state);
    if (this.states.size < this.view.length) return;
    this.phase = 'attempt';
    if (!this.mayForm()) return;
    this.sessionId = Math.max(...[...this.states.values()].map((known) => known.sessionId)) + 1;
    const session = { nodeIds: this.view, sessionId: this.sessionId };
    this.ambiguous = [...this.ambiguous, session].slice(-YKD_NODES_MAX);
    this.output.send(encodeYkdAttempt());
  }

  private mayForm(): boolean {
    const known = [...this.states.values()];
    const primary = known
      .map((state) => state.lastPrimary)
      .reduce((best, session) => (session.sessionId > best.sessionId ? session : best));
    const later = known.flatMap((state) => state.ambiguous).filter((session) => session.sessionId > primary.sessionId);
    return [primary, ...later].every((session) => holdsHalf(this.view, session));
  }

  private attempt(nodeId: number): void {
    if (this.phase !== 'attempt') return;
    this.attempts.add(nodeId);
    if (this.attempts.size < this.view.length) return;
    this.lastPrimary = { nodeIds: this.view, sessionId: this.sessionId };
    this.ambiguous = [];
    this.output.decided(this.view, true, this.ringId);
  }
}

/** At least half of the session's nodes are in the view (two even halves both are: stock's rule). */
export function holdsHalf(view: readonly number[], session: YkdSession): boolean {
  const together = session.nodeIds.filter((nodeId) => view.includes(nodeId)).length;
  return together >= session.nodeIds.length - together;
}
