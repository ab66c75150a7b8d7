import type { CpgGroup, CpgProcess } from './cpg-groups.ts';

export const IterationType = { NAMES: 1, ONE_GROUP: 2, ALL: 3 } as const;

export interface IterationEntry {
  readonly group: Uint8Array;
  readonly nodeId: number;
  readonly pid: number;
}

/**
 * Snapshot of an iteration (services.md 4.9, T27): an entry goes directly after the first one of its group, or to the front if
 * its group is new. So groups come in reverse order of appearance, and in a group the first process, then the rest reversed.
 */
export function iterationSnapshot(
  processes: readonly CpgProcess[],
  type: number,
  wanted: CpgGroup | null,
): readonly IterationEntry[] {
  const groups: CpgGroup[] = [];
  const members = new Map<CpgGroup, IterationEntry[]>();
  for (const { group, nodeId, pid } of processes) {
    if (type === IterationType.ONE_GROUP && group !== wanted) continue;
    const entries = members.get(group);
    if (entries === undefined) {
      groups.unshift(group);
      const named = type === IterationType.NAMES;
      members.set(group, [{ group: group.name, nodeId: named ? 0 : nodeId, pid: named ? 0 : pid }]);
    } else if (type !== IterationType.NAMES) {
      entries.splice(1, 0, { group: group.name, nodeId, pid });
    }
  }
  return groups.flatMap((group) => members.get(group)!);
}
