import type { CallOptions } from '../../client/session.ts';
import { type MachineStatus, OnMachine } from '../replicated/on-machine.ts';
import { Locks, type LocksOptions } from './locks.ts';

/** The time for which this program leads. */
export interface Term {
  /** Greater than that of every earlier term, for fencing. */
  readonly token: bigint;
  /** Fires when this program leads no longer: before another one does, unless this whole process stalls. */
  readonly signal: AbortSignal;
}

export interface ElectionOptions extends Omit<LocksOptions, 'name'> {
  /** Candidates with the same name choose one among them. */
  readonly name: string;
}

/**
 * One leader among the programs that want to be it.
 *
 * ```ts
 * const election = await Election.open({ name: 'cron' });
 * for await (const term of election.terms()) await runJobs(term.signal); // returns when the signal fires; leaving the loop resigns
 * ```
 */
export class Election extends OnMachine {
  private constructor(
    private readonly locks: Locks,
    private readonly name: string,
  ) {
    super();
  }

  protected get machine(): MachineStatus {
    return this.locks;
  }

  static async open({ name, ...options }: ElectionOptions): Promise<Election> {
    return new Election(await Locks.open({ ...options, name: `election.${name}` }), name);
  }

  /** Waits to lead, again and again: the term of an iteration ends with it, by `term.signal` or by resigning. Ends with the signal. */
  async *terms({ signal }: CallOptions = {}): AsyncGenerator<Term, void, undefined> {
    while (signal?.aborted !== true) {
      const lock = await this.locks
        .acquire(this.name, signal === undefined ? {} : { signal })
        .catch((error: unknown) => {
          if (signal?.aborted) return null;
          throw error;
        });
      if (lock === null) return;
      try {
        yield { token: lock.token, signal: lock.lost };
      } finally {
        await lock.release();
      }
    }
  }

  /** Who leads, as a node and a process; `null`: nobody does now. */
  async leader(options: CallOptions = {}) {
    return this.locks.owner(this.name, options);
  }

  close(): Promise<void> {
    return this.locks.close();
  }
}
