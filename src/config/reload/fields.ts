export const isEmpty = (value: object): boolean => Object.keys(value).length === 0;

/** The fields whose plain values differ, with the new ones. */
export function changedFields<T extends object>(before: T, after: T): Partial<T> {
  const changed: Partial<T> = {};
  for (const field in after) if (after[field] !== before[field]) changed[field] = after[field];
  return changed;
}
