import { check } from './errno.ts';
import { closeFd, OpenFlag, openFile } from './fd.ts';
import { bind, orErrno } from './libc.ts';

const cDup2 = bind<(from: number, to: number) => number>('dup2', 'int', ['int', 'int']);

/** Connects standard input, output and error to /dev/null: a daemon in the background holds no terminal and no pipe. */
export function redirectStdioToNull(): void {
  const fd = check(openFile('/dev/null', OpenFlag.RDWR), '/dev/null');
  for (const target of [0, 1, 2]) check(orErrno(cDup2(fd, target)), `redirecting descriptor ${target}`);
  if (fd > 2) closeFd(fd);
}
