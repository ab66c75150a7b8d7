import type { CpgGroup, CpgGroupTable, GroupProcess } from './cpg-groups.ts';
import { CPG_LIMITS } from './cpg-limits.ts';

/**
 * The process list, the same on all nodes (services.md 4.5): sorted by node id, then pid; entries with equal keys in different
 * groups keep the order in which they came. Many changes at once are made in one pass.
 */
export class ProcessList {
  private list: GroupProcess[] = [];
  private readonly ofNode = new Map<number, number>();

  constructor(private readonly groups: CpgGroupTable) {}

  get all(): readonly GroupProcess[] {
    return this.list;
  }

  has(nodeId: number, pid: number, group: CpgGroup): boolean {
    return isOf(group.processes[placeOf(group.processes, nodeId, pid)], nodeId, pid);
  }

  /** Whether the bounds admit one more, `coming` others of that group being on their way. */
  hasRoom(nodeId: number, group: CpgGroup | null, coming = 0): boolean {
    const { processesMax, nodeProcessesMax, groupProcessesMax } = CPG_LIMITS;
    return (
      this.list.length < processesMax &&
      (this.ofNode.get(nodeId) ?? 0) < nodeProcessesMax &&
      (group?.processes.length ?? 0) + coming < groupProcessesMax
    );
  }

  /** `false` if it is there already, or if there are too many. */
  insert(nodeId: number, pid: number, group: CpgGroup): boolean {
    if (!this.hasRoom(nodeId, group) || this.has(nodeId, pid, group)) return false;
    const process = { nodeId, pid, group };
    insertSorted(this.list, process);
    insertSorted(group.processes, process);
    this.count(process, 1);
    return true;
  }

  /** The same for many, in the order given; returns those that were new. Groups that stay without processes are released. */
  insertAll(processes: readonly GroupProcess[]): readonly GroupProcess[] {
    const known = new ProcessSet();
    for (const process of this.list) known.add(process);
    const came: GroupProcess[] = [];
    const fresh = new Map<CpgGroup, GroupProcess[]>();
    for (const process of processes) {
      const { nodeId, group } = process;
      const ofGroup = fresh.get(group);
      const full = this.list.length + came.length >= CPG_LIMITS.processesMax;
      if (full || !this.hasRoom(nodeId, group, ofGroup?.length ?? 0) || !known.add(process)) continue;
      came.push(process);
      if (ofGroup === undefined) fresh.set(group, [process]);
      else ofGroup.push(process);
      this.count(process, 1);
    }
    this.list = this.list.concat(came).sort(byKey);
    for (const [group, ofGroup] of fresh) {
      for (const process of ofGroup) group.processes.push(process);
      group.processes.sort(byKey);
    }
    for (const { group } of processes) this.groups.release(group);
    return came;
  }

  remove(nodeId: number, pid: number, group: CpgGroup): boolean {
    const place = placeOf(group.processes, nodeId, pid);
    const process = group.processes[place];
    if (process === undefined || !isOf(process, nodeId, pid)) return false;
    group.processes.splice(place, 1);
    this.list.splice(this.list.indexOf(process, placeOf(this.list, nodeId, pid)), 1);
    this.count(process, -1);
    this.groups.release(group);
    return true;
  }

  /** Removes and returns the processes of these nodes, in list order. */
  removeNodes(nodeIds: ReadonlySet<number>): readonly GroupProcess[] {
    const gone = this.list.filter(({ nodeId }) => nodeIds.has(nodeId));
    this.removeAll(gone);
    return gone;
  }

  removeAll(gone: readonly GroupProcess[]): void {
    if (gone.length === 0) return;
    const leaving = new Set(gone);
    const stays = (process: GroupProcess): boolean => !leaving.has(process);
    keepOnly(this.list, stays);
    for (const process of gone) this.count(process, -1);
    for (const group of new Set(gone.map(({ group }) => group))) {
      keepOnly(group.processes, stays);
      this.groups.release(group);
    }
  }

  private count({ nodeId, group }: GroupProcess, change: 1 | -1): void {
    group.countNode(nodeId, change);
    this.ofNode.set(nodeId, (this.ofNode.get(nodeId) ?? 0) + change);
    if (this.ofNode.get(nodeId) === 0) this.ofNode.delete(nodeId);
  }
}

/** A set of processes by group, node and pid. */
export class ProcessSet {
  private readonly keys = new Set<string>();

  /** `false`: it was there. */
  add(process: GroupProcess): boolean {
    const before = this.keys.size;
    return this.keys.add(keyOf(process)).size > before;
  }

  has(process: GroupProcess): boolean {
    return this.keys.has(keyOf(process));
  }
}

const keyOf = ({ nodeId, pid, group }: GroupProcess): string => `${nodeId} ${pid} ${group.serial}`;

const byKey = (a: GroupProcess, b: GroupProcess): number => a.nodeId - b.nodeId || a.pid - b.pid;

const isOf = (process: GroupProcess | undefined, nodeId: number, pid: number): boolean =>
  process !== undefined && process.nodeId === nodeId && process.pid === pid;

/** Where the first process with this key or a higher one is in a sorted list: lists are long where a peer makes them so. */
function placeOf(list: readonly GroupProcess[], nodeId: number, pid: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = list[middle]!;
    const before = other.nodeId < nodeId || (other.nodeId === nodeId && other.pid < pid);
    if (before) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Behind those with the same key: they keep the order in which they came. */
function insertSorted(list: GroupProcess[], process: GroupProcess): void {
  list.splice(placeOf(list, process.nodeId, process.pid + 1), 0, process);
}

function keepOnly(list: GroupProcess[], stays: (process: GroupProcess) => boolean): void {
  let kept = 0;
  for (const process of list) if (stays(process)) list[kept++] = process;
  list.length = kept;
}
