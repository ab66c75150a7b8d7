import { type OriginCounter, TOTEM_LIMITS } from '../totem/index.ts';
import type { StatCounter } from '../transport/transport.ts';

/** Followed by the node id: messages of that node that this one multicast again. */
export const REPEATED_PREFIX = 'rondo.repeated.node';

/** Retransmissions by whose message it was, one counter a node. Ids that are no member's are not counted: a forged frame can hold any. */
export class OriginCounters implements OriginCounter {
  private readonly nodeIds: number[] = [];
  private readonly counters: StatCounter[] = [];

  constructor(
    private readonly counter: (name: string) => StatCounter,
    private readonly isMember: (nodeId: number) => boolean,
  ) {}

  repeated(nodeId: number): void {
    let at = 0;
    while (at < this.nodeIds.length && this.nodeIds[at] !== nodeId) at++;
    if (at === this.nodeIds.length && !this.add(nodeId)) return;
    const { values, slot } = this.counters[at]!;
    values[slot] = values[slot]! + 1;
  }

  private add(nodeId: number): boolean {
    if (this.nodeIds.length >= TOTEM_LIMITS.processorsMax || !this.isMember(nodeId)) return false;
    this.nodeIds.push(nodeId);
    this.counters.push(this.counter(`${REPEATED_PREFIX}${nodeId}`));
    return true;
  }
}
