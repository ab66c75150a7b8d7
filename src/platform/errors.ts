import { RondoError } from '../lib/errors.ts';

export type StoreErrorCode =
  /** Another process has the directory of the state. */
  | 'RONDO_STORE_LOCKED'
  /** What the directory holds was changed by something else than its owner. */
  | 'RONDO_STORE_DAMAGED'
  /** Others could exchange what the directory holds. */
  | 'RONDO_STORE_EXPOSED';

/** The state on disk cannot be used. */
export class StoreError extends RondoError<StoreErrorCode> {
  static override readonly errorName = 'StoreError';
}

export type MachineErrorCode =
  /** The command was applied, and its result is known to other members only. */
  | 'RONDO_RESULT_LOST'
  /** As many requests, jobs or names as are allowed. */
  | 'RONDO_MACHINE_FULL'
  /** A party of the barrier died, and the barrier breaks then; or others expect another number of parties. */
  | 'RONDO_BARRIER_BROKEN'
  /** The job or lease is not this program's any more: its time was over, or it was ended already. */
  | 'RONDO_NOT_HELD'
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

export type RpcErrorCode =
  /** No reply in time; the call may have been carried out all the same. */
  | 'RONDO_RPC_TIMEOUT'
  /** The member died, left, was cut off, or was no member when its turn came. If it was one, the call may have been carried out. */
  | 'RONDO_RPC_MEMBER_LEFT'
  /** This program's own connection was lost: what became of the call is not known. */
  | 'RONDO_RPC_INTERRUPTED'
  /** The member's handler threw; the message is its. */
  | 'RONDO_RPC_FAILED'
  /** Too many calls: of this program, or running at that member. */
  | 'RONDO_RPC_BUSY'
  /** Nobody was there who could reply. */
  | 'RONDO_RPC_NOBODY'
  /** `close()`. */
  | 'RONDO_RPC_CLOSED';

/** A call of another member has no result. */
export class RpcError extends RondoError<RpcErrorCode> {
  static override readonly errorName = 'RpcError';
}
