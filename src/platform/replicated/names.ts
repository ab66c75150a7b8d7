/** A member: a process on a node, as CPG names it. */
export interface Member {
  readonly nodeId: number;
  readonly pid: number;
}

/** The life that stands for the protocol's own entries. */
export const PROTOCOL = '*';

export const memberName = ({ nodeId, pid }: Member): string => `${nodeId}.${pid}`;
export const nodeOf = (name: string): number => Number.parseInt(name, 10);

/** In the order of nodes, then of processes. */
export const byNode = (a: string, b: string): number => nodeOf(a) - nodeOf(b) || (a < b ? -1 : a > b ? 1 : 0);
