import { fstatSync } from 'node:fs';

/** Length of an open file; 0 if it cannot be asked. */
export function fileBytes(fd: number): number {
  try {
    return fstatSync(fd).size;
  } catch {
    return 0;
  }
}
