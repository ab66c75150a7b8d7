/** The ring that a daemon is in, as its log has it. */
export interface LoggedRing {
  readonly id: string;
  /** Ascending. */
  readonly members: readonly number[];
}

const FORMED = /A new membership \(([^)]+)\) was formed\. Members(?: joined:((?: \d+)+))?(?: left:((?: \d+)+))?/g;

const ids = (list: string | undefined): number[] => list?.trim().split(' ').map(Number) ?? [];

/** From the log of one daemon since its start; `null` where it has no line about a ring. */
export function loggedRing(log: string): LoggedRing | null {
  const members = new Set<number>();
  let id: string | null = null;
  for (const [, ring = '', joined, left] of log.matchAll(FORMED)) {
    id = ring;
    for (const member of ids(left)) members.delete(member);
    for (const member of ids(joined)) members.add(member); // after that: in both lists is who had been in another ring meanwhile
  }
  return id === null ? null : { id, members: [...members].sort((a, b) => a - b) };
}
