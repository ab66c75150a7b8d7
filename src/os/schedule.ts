import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { scratch } from './arena.ts';
import { errnoName } from './errno.ts';
import { bind, orErrno } from './libc.ts';

const cSetscheduler = bind<(pid: number, policy: number, param: number) => number>('sched_setscheduler', 'int', [
  'int',
  'int',
  'uintptr_t',
]);
const cGetscheduler = bind<(pid: number) => number>('sched_getscheduler', 'int', ['int']);
const cPriorityMax = bind<(policy: number) => number>('sched_get_priority_max', 'int', ['int']);
const cYield = bind<() => number>('sched_yield', 'int', []);
const cMlock2 = bind<(address: number, bytes: number, flags: number) => number>('mlock2', 'int', [
  'uintptr_t',
  'size_t',
  'int',
]);
const cClockGettime = bind<(clock: number, time: number) => number>('clock_gettime', 'int', ['int', 'uintptr_t']);
const cGettid = bind<() => number>('gettid', 'int', []);
const cPrlimit = bind<(pid: number, resource: number, limit: number, old: number) => number>('prlimit64', 'int', [
  'int',
  'int',
  'uintptr_t',
  'uintptr_t',
]);
const cSetpriority = bind<(which: number, who: number, priority: number) => number>('setpriority', 'int', [
  'int',
  'int',
  'int',
]);

/** What an attempt to get a privilege gave: never an exception, the daemon goes on without (and logs it). */
export type Obtained = { readonly ok: true } | { readonly ok: false; readonly errno: string };

const obtained = (result: number): Obtained => (result < 0 ? { ok: false, errno: errnoName(result) } : { ok: true });

const SCHED_OTHER = 0;
const SCHED_RR = 2;
const SCHED_RESET_ON_FORK = 0x40000000;
const MLOCK_ONFAULT = 1;
const RLIMIT = { NOFILE: 7, MEMLOCK: 8, RTPRIO: 14 } as const;

const CLOCK_THREAD_CPUTIME_ID = 3;

/** Processor time of the calling thread, milliseconds. */
export function threadCpuMs(): number {
  cClockGettime(CLOCK_THREAD_CPUTIME_ID, scratch.address);
  return scratch.u32[0]! * 1000 + scratch.u32[2]! / 1e6;
}

/** Whether fewer threads of this machine want to run than this process may have processors, so that the calling one keeps nobody waiting. */
export function hasFreeProcessor(): boolean {
  const running = / (\d+)\/\d+ /.exec(readLoad())?.[1]; // the calling thread is one of them
  return running === undefined || Number(running) <= availableParallelism();
}

function readLoad(): string {
  try {
    return readFileSync('/proc/loadavg', 'latin1');
  } catch {
    return ''; // no /proc
  }
}

/** Kernel id of the calling thread. */
export const threadId = (): number => cGettid();
/** Lets another thread of the same priority run: for spins on machines with few cores. */
export const yieldCpu = (): number => cYield();
export const roundRobinPriorityMax = (): number => cPriorityMax(SCHED_RR);

/** SCHED_RR for one thread (0: the calling one). Stock asks for the maximum, 99. Children do not inherit it. */
export function setRoundRobin(priority: number, thread = 0): Obtained {
  scratch.i32[0] = priority;
  return obtained(orErrno(cSetscheduler(thread, SCHED_RR | SCHED_RESET_ON_FORK, scratch.address)));
}

/** Whether SCHED_RR can be had at all, which a control group without real-time budget refuses root, too: tried on this thread, and given back. */
export function probeRoundRobin(): Obtained {
  if (isRoundRobin()) return { ok: true };
  const result = setRoundRobin(1);
  scratch.i32[0] = 0;
  if (result.ok) orErrno(cSetscheduler(0, SCHED_OTHER, scratch.address));
  return result;
}

/** The policy of the calling thread is SCHED_RR. */
export const isRoundRobin = (): boolean => (cGetscheduler(0) & ~SCHED_RESET_ON_FORK) === SCHED_RR;

/** Ends a real-time priority that a thread has inherited; one that `setRoundRobin` gave it stays. */
export function endInheritedRoundRobin(thread: number): Obtained {
  if (cGetscheduler(thread) !== SCHED_RR) return { ok: true };
  scratch.i32[0] = 0;
  return obtained(orErrno(cSetscheduler(thread, SCHED_OTHER, scratch.address)));
}

/** Nice value of one thread (0: the calling one): what is left when real-time priority is not permitted. */
export const setNice = (value: number, thread = 0): Obtained => obtained(orErrno(cSetpriority(0, thread, value)));

/**
 * Keeps the touched pages of one range in memory (an arena of the ring thread).
 *
 * Not mlockall, which stock calls: V8 asserts that `madvise(MADV_DONTNEED)` on its own pages succeeds, and the kernel refuses that on
 * locked ones, so under mlockall, with or without MCL_ONFAULT, the process dies at the next collection of a thread's stack or code.
 */
export const lockRange = (address: number, bytes: number): Obtained =>
  obtained(orErrno(cMlock2(address, bytes, MLOCK_ONFAULT)));

/** Keeps the program text (node, libc, the FFI library) in memory: file mappings, which V8 never gives back. */
export function lockProgramText(): Obtained {
  let result: Obtained = { ok: true };
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ [1-9]/.exec(line);
    if (match === null) continue;
    const start = Number.parseInt(match[1]!, 16);
    const locked = lockRange(start, Number.parseInt(match[2]!, 16) - start);
    if (!locked.ok) result = locked;
  }
  return result;
}

export interface ResourceLimit {
  /** Infinity when unlimited. */
  readonly soft: number;
  readonly hard: number;
}

const readLimit = (word: number): number => {
  const high = scratch.u32[word + 1]!;
  return high === 0xffffffff ? Number.POSITIVE_INFINITY : high * 4294967296 + scratch.u32[word]!;
};
const writeLimit = (word: number, value: number): void => {
  scratch.u32[word] = value === Number.POSITIVE_INFINITY ? 0xffffffff : value % 4294967296;
  scratch.u32[word + 1] = value === Number.POSITIVE_INFINITY ? 0xffffffff : value / 4294967296;
};

/** A limit of this process. */
export function getLimit(name: keyof typeof RLIMIT): ResourceLimit {
  orErrno(cPrlimit(0, RLIMIT[name], 0, scratch.address));
  return { soft: readLimit(0), hard: readLimit(2) };
}

export function setLimit(name: keyof typeof RLIMIT, limit: ResourceLimit): Obtained {
  writeLimit(0, limit.soft);
  writeLimit(2, limit.hard);
  return obtained(orErrno(cPrlimit(0, RLIMIT[name], scratch.address, 0)));
}
