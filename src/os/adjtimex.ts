import { scratch } from './arena.ts';
import { bind, orErrno } from './libc.ts';

const cAdjtimex = bind<(buffer: number) => number>('adjtimex', 'int', ['uintptr_t']);
/** struct timex; all zero: nothing is changed. */
const TIMEX = 4096;
const TIMEX_BYTES = 256;
const TIME_ERROR = 5;

/** Whether something keeps the clock of this machine right; `null`: the kernel does not say. */
export function clockIsSynchronised(): boolean | null {
  scratch.u8.fill(0, TIMEX, TIMEX + TIMEX_BYTES);
  const state = orErrno(cAdjtimex(scratch.address + TIMEX));
  return state < 0 ? null : state !== TIME_ERROR;
}
