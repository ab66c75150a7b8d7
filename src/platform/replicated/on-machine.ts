import type { MachineError } from '../errors.ts';
import type { ReplicaState } from './core.ts';

/** How a replicated machine is. */
export interface MachineStatus {
  /** `active`: it works now. */
  readonly state: ReplicaState;
  /** Why it does not, for people; empty when it does. */
  readonly reason: string;
  /** Resolves at the end: with `null` after `close()`, else with what failed, RONDO_MACHINE_FAILED. Never rejects. */
  readonly ended: Promise<MachineError | null>;
  /** Calls back at each change of `state`, at once and before anything else happens; the result ends that. */
  onStateChange(callback: (state: ReplicaState) => void): () => void;
}

/** What everything has in common that stands on a replicated machine. */
export abstract class OnMachine implements MachineStatus {
  /** Set by `open()` before anybody has the object. */
  protected abstract readonly machine: MachineStatus;

  /** `active`: this member takes part. Else what is read at once may be old: it has no majority, is cut off, or gets the state. */
  get state(): ReplicaState {
    return this.machine.state;
  }

  /** Why this member does not take part, for people; empty when it does. */
  get reason(): string {
    return this.machine.reason;
  }

  /** Resolves at the end: with `null` after `close()`, else with what failed, RONDO_MACHINE_FAILED. Never rejects. */
  get ended(): Promise<MachineError | null> {
    return this.machine.ended;
  }

  /** Calls back at each change of `state`, at once and before anything else happens; the result ends that. */
  onStateChange(callback: (state: ReplicaState) => void): () => void {
    return this.machine.onStateChange(callback);
  }

  abstract close(): Promise<void>;

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
