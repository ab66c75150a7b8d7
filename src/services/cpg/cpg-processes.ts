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
    return group.processes.some((process) => process.nodeId === nodeId && process.pid === pid);
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
    const process = group.processes.find((entry) => entry.nodeId === nodeId && entry.pid === pid);
    if (process === undefined) return false;
    this.drop(process);
    return true;
  }

  /** Removes and answers the processes of these nodes, in list order. */
  removeNodes(nodeIds: ReadonlySet<number>): readonly CpgProcess[] {
    const gone = this.list.filter(({ nodeId }) => nodeIds.has(nodeId));
    for (const process of gone) this.drop(process);
    return gone;
  }

  private drop(process: CpgProcess): void {
    const { group } = process;
    this.list.splice(this.list.indexOf(process), 1);
    group.processes.splice(group.processes.indexOf(process), 1);
    group.countNode(process.nodeId, -1);
    this.groups.release(group);
  }
}

function insertSorted(list: CpgProcess[], process: CpgProcess): void {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = list[middle]!;
    const after = other.nodeId > process.nodeId || (other.nodeId === process.nodeId && other.pid > process.pid);
    if (after) high = middle;
    else low = middle + 1;
  }
  list.splice(low, 0, process);
}
