import { readdirSync, readFileSync } from 'node:fs';
import { start } from '../test/interop/lab/process.ts';

/** What a process has cost: things that a busy machine changes little. */
export interface Cost {
  readonly cpuMs: number;
  /** Voluntary context switches: sleeps. */
  readonly switches: number;
  /** `null` where `perf` cannot count system calls. */
  readonly syscalls: number | null;
}

/** A process with all its threads, or one thread of this process. */
export type Measured = { readonly pid: number } | { readonly thread: number };

const foldersOf = (whom: Measured): string[] =>
  'thread' in whom
    ? [`/proc/self/task/${whom.thread}`]
    : readdirSync(`/proc/${whom.pid}/task`).map((thread) => `/proc/${whom.pid}/task/${thread}`);

/** CPU time and voluntary context switches so far: involuntary ones are the doing of others. */
function costSoFar(whom: Measured): Omit<Cost, 'syscalls'> {
  let [cpuNs, switches] = [0, 0];
  for (const folder of foldersOf(whom)) {
    cpuNs += Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]);
    switches += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`${folder}/status`, 'utf8'))?.[1]);
  }
  return { cpuMs: cpuNs / 1e6, switches };
}

/** Processor time of a process so far. */
export const cpuMsOf = (pid: number): number => costSoFar({ pid }).cpuMs;

/** Measures what somebody costs while `work` runs. With `syscalls`, system calls are counted, too, which makes each a little slower. */
export async function costOf<Result>(
  whom: Measured,
  syscalls: boolean,
  work: () => Promise<Result>,
): Promise<{ readonly cost: Cost; readonly result: Result }> {
  const counter = syscalls ? await SyscallCounter.attach(whom) : null;
  const before = costSoFar(whom);
  const result = await work();
  const after = costSoFar(whom);
  const cost = {
    cpuMs: after.cpuMs - before.cpuMs,
    switches: after.switches - before.switches,
    syscalls: counter === null ? null : await counter.stop(),
  };
  return { cost, result };
}

/** Counts in the kernel, by its tracepoint: nothing is traced, nothing stops. */
class SyscallCounter {
  private constructor(private readonly perf: ReturnType<typeof start>) {}

  static async attach(whom: Measured): Promise<SyscallCounter> {
    const target = 'thread' in whom ? ['-t', String(whom.thread)] : ['-p', String(whom.pid)];
    const perf = start('perf', ['stat', '-x', ',', '-e', 'raw_syscalls:sys_enter', ...target]);
    await new Promise((resolve) => setTimeout(resolve, 300)); // it does not say when it counts
    return new SyscallCounter(perf);
  }

  async stop(): Promise<number | null> {
    await this.perf.stop('SIGINT');
    const count = /^(\d+),.*sys_enter/m.exec(this.perf.errors)?.[1];
    return count === undefined ? null : Number(count);
  }
}
