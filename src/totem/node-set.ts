/**
 * Membership lists: ordered arrays used as sets (totem.md 0). Order matters only where it is visible: union appends new
 * members at the end. Lists are short and change rarely, so plain functions over arrays are enough.
 */
export type NodeList = readonly number[];

export function sameSet(a: NodeList, b: NodeList): boolean {
  return a.length === b.length && a.every((node) => b.includes(node));
}

/** False whenever the candidate has more entries than the container; the empty list is a subset of everything. */
export function isSubset(candidate: NodeList, container: NodeList): boolean {
  return candidate.length <= container.length && candidate.every((node) => container.includes(node));
}

export function union(list: NodeList, added: NodeList): number[] {
  const result = [...list];
  for (const node of added) if (!result.includes(node)) result.push(node);
  return result;
}

export const subtract = (list: NodeList, removed: NodeList): number[] => list.filter((node) => !removed.includes(node));

export const intersect = (list: NodeList, other: NodeList): number[] => list.filter((node) => other.includes(node));

export const ascending = (list: NodeList): number[] => [...list].sort((a, b) => a - b);

export const lowest = (list: NodeList): number => list.reduce((low, node) => Math.min(low, node), Number.MAX_VALUE);
