import { compareEpochs, sameEpoch } from '../../src/platform/replicated/messages.ts';
import { type Applied, Replicas, type StatesOfMembers } from './replicas.ts';
import type { SimReplica } from './sim-replica.ts';

/** Of a campaign: these seeds have a replicated machine that works without quorum, in every part of the cluster, and merges. */
export const hasParts = (seed: number): boolean => seed % 13 === 2;

/**
 * What holds for a replicated machine without quorum, whose parts go on by themselves: one order in each epoch; when parts meet, the state that more members have
 * stays, then the newer one, and what others have done is merged into it, at all members at the same place: nothing that a submitter has heard of is missing in
 * the end, and nothing is there twice. A member that ends before the state of its part, which it is to hand over, has its place may take that along.
 */
export class ReplicaParts extends Replicas {
  override readonly quorum: boolean = false;
  private readonly placed = new Map<string, string>();
  private readonly heardOf = new Set<string>();
  private readonly lostInDeaths = new Set<string>();

  override appliedAt({ index, name, epoch }: Applied): string | null {
    if (epoch === null) return null;
    const place = `${index} of epoch ${epoch}`;
    const before = this.placed.get(place);
    this.placed.set(place, name);
    return before === undefined || before === name ? null : `applies ${name} at ${place}, where others have ${before}`;
  }

  override confirmed({ name }: Applied): string | null {
    this.heardOf.add(name);
    this.heard();
    return null;
  }

  override included(name: string): string | null {
    this.heardOf.add(name);
    return null;
  }

  override replaced(self: string, source: string, states: StatesOfMembers): string | null {
    const mine = states.get(self) ?? null;
    const stays = states.get(source) ?? null;
    if (mine === null) return null;
    const count = (epoch: typeof mine | null) => [...states.values()].filter((other) => sameEpoch(other, epoch)).length;
    const more = count(mine) - count(stays) || compareEpochs(mine, stays);
    return more > 0 ? `${self} gives up a state that ${count(mine)} have for one that ${count(stays)} have` : null;
  }

  override ended(replica: SimReplica): void {
    for (const name of replica.onlyInMerges()) this.lostInDeaths.add(name);
  }

  protected override length(replicas: readonly SimReplica[]): number {
    return Math.max(...replicas.map(({ count }) => count));
  }

  override settle(): void {
    super.settle();
    const { checker, living } = this.world;
    for (const { replica } of living) {
      if (replica === null) continue;
      const missing = [...this.heardOf].filter((name) => !replica.has(name) && !this.lostInDeaths.has(name));
      if (missing.length > 0)
        checker.violation(
          null,
          `replicated machine: ${missing.length} confirmed commands are lost, ${missing[0]} first`,
        );
    }
  }
}
