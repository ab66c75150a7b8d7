import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Icmap } from '../config/icmap/index.ts';
import type { LogFunction } from '../lib/log.ts';
import {
  getLimit,
  lockProgramText,
  type Obtained,
  probeRoundRobin,
  roundRobinPriorityMax,
  setLimit,
  setNice,
} from '../os/schedule.ts';
import { DaemonExit, ExitCode } from './exit-codes.ts';
import type { StartPriority } from './start-priority.ts';

/**
 * What stock asks of the system at start: real-time scheduling, memory that is never swapped, the root cgroup, a nice
 * value (config-and-tools.md 1.5.7). Nothing here is needed to work: what is refused is logged, and the daemon goes on.
 *
 * The ring thread takes the real-time priority; this thread, which may garbage-collect and write logs, is an ordinary one, with the
 * strongest nice value: it accepts clients, and on a busy machine it would otherwise get no more time than each of those who flood it.
 */
export interface SchedulingPlan {
  readonly roundRobin: boolean;
  readonly priority: number;
}

const NICE_STRONGEST = -20;
const NICE_WEAKEST = 19;

/** `system.priority`: a nice value, `max` or `min`. */
export function niceValue(text: string | null): number {
  if (text === null) return 0;
  if (text === 'max') return NICE_STRONGEST;
  if (text === 'min') return NICE_WEAKEST;
  if (!/^[+-]?\d+$/.test(text)) throw new DaemonExit(ExitCode.MAIN_CONFIG, `Priority value ${text} is invalid`);
  return Number(text);
}

/** Whether real-time scheduling can be had; tried on this thread and given back, so that it is logged once. */
export function planScheduling(
  config: Icmap,
  log: LogFunction,
  start: Pick<StartPriority, 'end'>,
  groups: ControlGroups = systemGroups,
): SchedulingPlan {
  const wanted = config.getString('system.sched_rr') !== 'no';
  const nice = niceValue(config.getString('system.priority'));
  const priority = roundRobinPriorityMax();
  if (wanted) {
    if (permitsRoundRobin(config, log, priority, groups)) {
      favourThisThread();
      return { roundRobin: true, priority };
    }
    log(
      'warning',
      'MAIN',
      `Could not set SCHED_RR at priority ${priority}: not permitted. Going on without real-time priority`,
    );
  }
  const value = wanted ? NICE_STRONGEST : nice;
  start.end();
  const obtained = setNice(value);
  if (!obtained.ok && !wanted && nice < 0) refused(log, `Could not set priority ${nice}`, obtained);
  return { roundRobin: false, priority: 0 };
}

/**
 * The strongest nice value for this thread, and for the session if it is this process's own: where the kernel shares out time by session
 * (autogroup), a nice value counts within one only. Neither is needed to work.
 */
function favourThisThread(): void {
  setNice(NICE_STRONGEST);
  try {
    if (ownSession() === process.pid) writeFileSync('/proc/self/autogroup', `${NICE_STRONGEST}\n`);
  } catch {
    // No autogroups here, or not permitted.
  }
}

/** Id of the session of this process. The name before it in the line may hold anything. */
function ownSession(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
}

/** Locks memory with the limit raised as stock does. Returns whether more may be locked. */
export function lockDaemonMemory(log: LogFunction): boolean {
  const unlimited = { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };
  const raised = setLimit('MEMLOCK', unlimited);
  if (!raised.ok) {
    refused(log, 'Could not increase RLIMIT_MEMLOCK, not locking memory', raised);
    return false; // a lock against a low limit would make later allocations fail
  }
  const locked = lockProgramText();
  if (!locked.ok) refused(log, 'Could not lock memory of service to avoid page faults', locked);
  return locked.ok;
}

/** What deciding about the control group takes from the system. */
export interface ControlGroups {
  /** `/proc/self/cgroup`. */
  membership(): string;
  move(file: string): void;
  probe(): Obtained;
}

const systemGroups: ControlGroups = {
  membership: () => readFileSync('/proc/self/cgroup', 'latin1'),
  move: (file) => writeFileSync(file, `${process.pid}\n`),
  probe: probeRoundRobin,
};

/**
 * `system.move_to_root_cgroup`: a control group may have no real-time budget, and SCHED_RR is then refused to root, too. `yes` leaves it at
 * once, `auto` when that is the case, and tries again.
 */
function permitsRoundRobin(config: Icmap, log: LogFunction, priority: number, groups: ControlGroups): boolean {
  const setting = config.getString('system.move_to_root_cgroup') ?? 'auto';
  if (setting === 'yes') moveToRootCgroup(log, groups);
  if (process.geteuid?.() !== 0) return getLimit('RTPRIO').hard >= priority;
  if (groups.probe().ok) return true;
  if (setting !== 'auto' || !moveToRootCgroup(log, groups)) return false;
  return groups.probe().ok;
}

/** The root of the version 1 hierarchy that has the cpu controller, or of version 2. False: already there, or it cannot be done. */
function moveToRootCgroup(log: LogFunction, groups: ControlGroups): boolean {
  try {
    const lines = groups.membership().split('\n');
    const cpu = lines.find((line) => /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:/.test(line));
    const path = (cpu ?? lines.find((line) => line.startsWith('0::')))?.replace(/^\d+:[^:]*:/, '');
    if (path === undefined || path === '/') return false;
    groups.move(cpu === undefined ? '/sys/fs/cgroup/cgroup.procs' : '/sys/fs/cgroup/cpu/tasks');
    log('notice', 'MAIN', `Moved from control group ${path} to the root one, for real-time priority`);
    return true;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    log('warning', 'MAIN', `Could not move to the root cgroup: ${text}`);
    return false;
  }
}

const ERRNO_TEXT: Readonly<Record<string, string>> = {
  EPERM: 'Operation not permitted',
  ENOMEM: 'Cannot allocate memory',
  EAGAIN: 'Resource temporarily unavailable',
  EINVAL: 'Invalid argument',
};

/** `WHAT: Operation not permitted (1)`, as stock words it. */
function refused(log: LogFunction, what: string, obtained: Obtained): void {
  if (obtained.ok) return;
  const numbers: Readonly<Record<string, number>> = constants.errno;
  log(
    'warning',
    'MAIN',
    `${what}: ${ERRNO_TEXT[obtained.errno] ?? obtained.errno} (${numbers[obtained.errno] ?? '?'})`,
  );
}
