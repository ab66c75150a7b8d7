import type { CpgGroup, CpgProcess, GroupTable } from './cpg-groups.ts';

/** Processes of all nodes and groups: a peer that announces more of them lies or is broken. */
export const PROCESSES_MAX = 100_000;

/**
 * The process list, the same on all nodes (services.md 4.5): sorted by node id, then pid; entries with equal keys in different
 * groups keep the order in which they came.
 */
export class ProcessList {
  private readonly list: CpgProcess[] = [];

  constructor(private readonly groups: GroupTable) {}

  get all(): readonly CpgProcess[] {
    return this.list;
  }

  has(nodeId: number, pid: number, group: CpgGroup): boolean {
    return isOf(group.processes[placeOf(group.processes, nodeId, pid)], nodeId, pid);
  }

  /** `false` if it is there already, or if the list is full. */
  insert(nodeId: number, pid: number, group: CpgGroup): boolean {
    if (this.list.length >= PROCESSES_MAX || this.has(nodeId, pid, group)) return false;
    const process = { nodeId, pid, group };
    insertSorted(this.list, process);
    insertSorted(group.processes, process);
    group.countNode(nodeId, 1);
    return true;
  }

  remove(nodeId: number, pid: number, group: CpgGroup): boolean {
    const place = placeOf(group.processes, nodeId, pid);
    const process = group.processes[place];
    if (process === undefined || !isOf(process, nodeId, pid)) return false;
    group.processes.splice(place, 1);
    this.list.splice(this.list.indexOf(process, placeOf(this.list, nodeId, pid)), 1);
    group.countNode(nodeId, -1);
    this.groups.release(group);
    return true;
  }

  /** Removes and answers the processes of these nodes, in list order. */
  removeNodes(nodeIds: ReadonlySet<number>): readonly CpgProcess[] {
    const stays = ({ nodeId }: CpgProcess): boolean => !nodeIds.has(nodeId);
    const gone = this.list.filter((process) => !stays(process));
    if (gone.length === 0) return gone;
    keepOnly(this.list, stays);
    const groups = new Set(gone.map(({ group }) => group));
    for (const { nodeId, group } of gone) group.countNode(nodeId, -1);
    for (const group of groups) {
      keepOnly(group.processes, stays);
      this.groups.release(group);
    }
    return gone;
  }
}

const isOf = (process: CpgProcess | undefined, nodeId: number, pid: number): boolean =>
  process !== undefined && process.nodeId === nodeId && process.pid === pid;

/** Where the first process with this key or a higher one is in a sorted list: lists are long where a peer makes them so. */
function placeOf(list: readonly CpgProcess[], nodeId: number, pid: number): number {
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
function insertSorted(list: CpgProcess[], process: CpgProcess): void {
  list.splice(placeOf(list, process.nodeId, process.pid + 1), 0, process);
}

function keepOnly(list: CpgProcess[], stays: (process: CpgProcess) => boolean): void {
  let kept = 0;
  for (const process of list) if (stays(process)) list[kept++] = process;
  list.length = kept;
}
