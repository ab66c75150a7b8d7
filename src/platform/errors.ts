import { RondoError } from '../lib/errors.ts';

export type StoreErrorCode =
  /** Another process has the directory of the state. */
  | 'RONDO_STORE_LOCKED'
  /** What the directory holds was changed by something else than its owner. */
  | 'RONDO_STORE_DAMAGED';

/** The state on disk cannot be used. */
export class StoreError extends RondoError<StoreErrorCode> {
  static override readonly errorName = 'StoreError';
}

export type MachineErrorCode =
  /** The command was applied, and its result is known to other members only. */
  | 'RONDO_RESULT_LOST'
  /** A watch asks for changes that are not kept any more. */
  | 'RONDO_REVISION_GONE'
  /** The machine was closed while the call waited. A command may be applied all the same. */
  | 'RONDO_MACHINE_CLOSED'
  /** The machine stopped: its disk or its program's functions failed. See `cause`. */
  | 'RONDO_MACHINE_FAILED'
  /** Too late: the command may be applied all the same. The message says what was waited for. */
  | 'RONDO_MACHINE_TIMEOUT';

/** A replicated machine did not do what was asked of it. */
export class MachineError extends RondoError<MachineErrorCode> {
  static override readonly errorName = 'MachineError';
}
