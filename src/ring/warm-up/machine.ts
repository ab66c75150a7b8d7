import { monotonicMs } from '../../os/clock.ts';
import { holdOptimizer } from '../../os/optimizer.ts';
import { hasFreeProcessor, threadCpuMs } from '../../os/schedule.ts';

/** What the warm-up needs to know of the machine, and asks of V8. */
export interface Machine {
  nowMs(): number;
  /** Processor time of this thread. */
  threadCpuMs(): number;
  /** Nobody has to wait for a processor because this thread goes on. */
  hasFreeProcessor(): boolean;
  /** Functions that have become hot are optimised when it is over. */
  holdOptimizer(hold: boolean): void;
}

export const THIS_MACHINE: Machine = { nowMs: monotonicMs, threadCpuMs, hasFreeProcessor, holdOptimizer };
