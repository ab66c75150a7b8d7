/**
 * An empty list for objects. To V8 an empty list is one of small integers, until something else is put in: then it has another shape, and code that was
 * compiled for lists of objects does not fit it before, nor what was compiled for it after.
 */
export function objectList<T extends object>(): T[] {
  const list: (T | null)[] = [null];
  list.length = 0;
  return list as T[];
}
