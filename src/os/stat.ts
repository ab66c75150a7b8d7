import { fstatSync, type Stats } from 'node:fs';

/** Length of an open file; 0 if it cannot be asked. */
export const fileBytes = (fd: number): number => statusOf(fd)?.size ?? 0;

/** What the kernel says of an open file or directory; null if it cannot be asked. */
export function statusOf(fd: number): Stats | null {
  try {
    return fstatSync(fd);
  } catch {
    return null;
  }
}
