let count = 0;

/**
 * Work of the thread pool (a file that is read, a name that is looked up) for which nobody waits any more, and which may never end: a dead file
 * server, a dead name server. The end of the process must not wait for it, either (os/exit-process.ts).
 */
export function leaveBehind(work: Promise<unknown>): void {
  count++;
  const ended = (): void => {
    count--;
  };
  work.then(ended, ended);
}

/** How much of that has not ended. */
export const leftBehind = (): number => count;
