/**
 * Who joined and who left between two syncs (services.md 6.4). A node that stayed in the membership without coming along
 * from the previous ring was gone in between: it is in both lists.
 */
export function nodeListChange(
  oldMembers: readonly number[],
  transitional: readonly number[],
  members: readonly number[],
): { joined: number[]; left: number[] } {
  const left = oldMembers.filter((id) => !transitional.includes(id) || !members.includes(id));
  const joined = members.filter((id) => !oldMembers.includes(id) || left.includes(id));
  return { joined, left };
}

/** `Members[3]: 1 2 3` */
export function logList(title: string, ids: readonly number[]): string {
  return `${title}[${ids.length}]:${ids.map((id) => ` ${id}`).join('')}`;
}
