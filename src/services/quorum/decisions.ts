import type { QuorumBasis } from '../../lib/quorum-rule.ts';
import { NO_RING, type RingId } from '../../lib/ring-id.ts';

/** Hears of every decision, also when nothing changed. */
export type DecisionListener = (wasQuorate: boolean) => void;

const OTHER_PROVIDER: QuorumBasis = { rule: 'another provider', votes: 0, needed: 0, expected: 0 };

/** What the quorum provider decides, and the quorum service passes on. Both know it before they run. */
export class QuorumDecisions {
  /** The provider's view of the cluster, and the ring that it belongs to. */
  view: readonly number[] = [];
  ringId: RingId = NO_RING;
  /** Why. */
  basis: QuorumBasis = { ...OTHER_PROVIDER, rule: 'no quorum provider' };
  private readonly listeners: DecisionListener[] = [];

  constructor(public quorate = false) {}

  follow(listener: DecisionListener): void {
    this.listeners.push(listener);
  }

  decide(view: readonly number[], quorate: boolean, ringId: RingId, basis: QuorumBasis = OTHER_PROVIDER): void {
    const was = this.quorate;
    this.quorate = quorate;
    this.view = [...view];
    this.ringId = ringId;
    this.basis = basis;
    for (const listener of this.listeners) listener(was);
  }
}
