import type { CpgGroup, GroupProcess } from './cpg-groups.ts';

export const IterationType = { NAMES: 1, ONE_GROUP: 2, ALL: 3 } as const;

/**
 * Snapshot of an iteration (services.md 4.9, T27): an entry goes directly after the first one of its group, or to the front if
 * its group is new. So groups come in reverse order of appearance, and in a group the first process, then the rest reversed. Of NAMES
 * the first process stands for its group.
 */
export function iterationSnapshot(
  processes: readonly GroupProcess[],
  type: number,
  wanted: CpgGroup | null,
): readonly GroupProcess[] {
  const groups = new Map<CpgGroup, GroupProcess[]>();
  for (const process of processes) {
    const { group } = process;
    if (type === IterationType.ONE_GROUP && group !== wanted) continue;
    const entries = groups.get(group);
    if (entries === undefined) groups.set(group, [process]);
    else if (type !== IterationType.NAMES) entries.push(process);
  }
  const snapshot: GroupProcess[] = [];
  for (const [first, ...rest] of [...groups.values()].reverse()) {
    snapshot.push(first!);
    for (let at = rest.length - 1; at >= 0; at--) snapshot.push(rest[at]!);
  }
  return snapshot;
}
