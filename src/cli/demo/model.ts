import type { CpgMember } from '../../client/cpg.ts';
import type { RingIdentity } from '../../client/quorum.ts';
import type { VoteInfo } from '../../client/votequorum.ts';
import { ringText } from '../cluster.ts';

export type ProcessState = 'starting' | 'running' | 'stopping' | 'stopped' | 'killed' | 'failed';

/** What is known of one node; everything but the process comes from its own daemon over IPC. */
export interface NodeView {
  readonly nodeId: number;
  readonly name: string;
  readonly process: ProcessState;
  readonly pid: number | null;
  /** Connected and past its first synchronisation. */
  readonly ready: boolean;
  readonly ringId: RingIdentity | null;
  readonly members: readonly number[];
  readonly quorate: boolean;
  readonly votes: VoteInfo | null;
  readonly tokensPerSec: number;
  readonly messagesPerSec: number;
  /** Messages of the demo group that this node's member got. */
  readonly delivered: number;
  readonly groups: readonly CpgMember[];
}

export interface Change {
  readonly timeMs: number;
  readonly node: string;
  readonly text: string;
}

export interface DemoView {
  readonly title: string;
  /** How programs reach a node. */
  readonly usage: string;
  /** Address of the selected node's page. */
  readonly page: string;
  readonly nodes: readonly NodeView[];
  readonly selected: number;
  readonly load: boolean;
  readonly sent: number;
  readonly sameOrder: boolean;
  readonly changes: readonly Change[];
  readonly elapsedMs: number;
}

export const CHANGES_KEPT = 100;

/** Messages per second from a counter that may start again (a restarted daemon). */
export class Rate {
  private lastValue: number | null = null;
  private lastMs = 0;
  private rate = 0;

  sample(value: number | null, nowMs: number): number {
    if (value === null) {
      this.lastValue = null;
      this.rate = 0;
    } else {
      const elapsedMs = nowMs - this.lastMs;
      this.rate =
        this.lastValue === null || value < this.lastValue || elapsedMs <= 0
          ? 0
          : ((value - this.lastValue) * 1000) / elapsedMs;
      this.lastValue = value;
      this.lastMs = nowMs;
    }
    return this.rate;
  }
}

/** Texts of the last messages that a member got, to compare the order between members. */
export class OrderLog {
  private readonly entries: string[] = [];
  constructor(private readonly kept = 512) {}

  add(entry: string): void {
    this.entries.push(entry);
    if (this.entries.length > 2 * this.kept) this.entries.splice(0, this.entries.length - this.kept);
  }

  get last(): readonly string[] {
    return this.entries;
  }
}

/** Whether two logs agree where they overlap. Entries are unique. */
export function ordersAgree(a: readonly string[], b: readonly string[]): boolean {
  const positions = new Map(b.map((entry, index) => [entry, index]));
  let previous = -1;
  for (const entry of a) {
    const at = positions.get(entry);
    if (at === undefined) continue;
    if (at < previous) return false;
    previous = at;
  }
  return true;
}

export const ringLabel = (ring: RingIdentity | null): string => (ring === null ? '-' : ringText(ring));
