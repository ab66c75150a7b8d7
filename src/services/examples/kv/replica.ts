/** One node's version of the map while the nodes agree on a common one. */
export interface Snapshot {
  readonly nodeId: number;
  readonly version: number;
  readonly quorate: boolean;
  readonly entries: Map<string, string>;
}

/**
 * The replicated data. All nodes apply the same changes in the same order; `version` counts them. After a membership
 * change one snapshot of each former ring is on the table, and every node picks the same: of a ring that had quorum
 * first, then the one with most changes, then the one of the lowest node.
 */
export class Replica {
  entries = new Map<string, string>();
  version = 0;
  private readonly offered = new Map<number, Snapshot>();

  /** Whether something changed. */
  apply(key: string, value: string | null): boolean {
    this.version++;
    if (value === null) return this.entries.delete(key);
    const changed = this.entries.get(key) !== value;
    this.entries.set(key, value);
    return changed;
  }

  forgetOffers(): void {
    this.offered.clear();
  }

  offer(nodeId: number, version: number, quorate: boolean, entry: { key: string; value: string } | null): void {
    let snapshot = this.offered.get(nodeId);
    if (snapshot === undefined) {
      snapshot = { nodeId, version, quorate, entries: new Map() };
      this.offered.set(nodeId, snapshot);
    }
    if (entry !== null) snapshot.entries.set(entry.key, entry.value);
  }

  /** Takes the best offer; the keys that changed by it. */
  adopt(): string[] {
    const [best] = [...this.offered.values()].sort(
      (a, b) => Number(b.quorate) - Number(a.quorate) || b.version - a.version || a.nodeId - b.nodeId,
    );
    this.offered.clear();
    if (best === undefined) return [];
    const before = this.entries;
    this.entries = best.entries;
    this.version = best.version;
    const keys = new Set([...before.keys(), ...best.entries.keys()]);
    return [...keys].filter((key) => before.get(key) !== best.entries.get(key));
  }
}
