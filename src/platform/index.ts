/** Building blocks for programs that agree, on top of the client. See docs/platform.md. */
export { MachineError, type MachineErrorCode, StoreError, type StoreErrorCode } from './errors.ts';
export { type GroupEvent, type GroupOptions, type GroupSendOptions, ProcessGroup } from './group.ts';
export type { Backoff } from './group-link.ts';
export { Election, type ElectionOptions, type Term } from './locks/election.ts';
export { type AcquireOptions, type Lock, type LockOwner, Locks, type LocksOptions } from './locks/locks.ts';
export {
  type JsonValue,
  type MapChange,
  type MapChangeOptions,
  type MapEntry,
  type MapWatchOptions,
  SharedMap,
  type SharedMapOptions,
} from './map/shared-map.ts';
export type { OrderPlace, ReplicaState } from './replicated/core.ts';
export type { DigestReport } from './replicated/digest-check.ts';
export {
  type ApplyContext,
  type MachineMember,
  Replicated,
  type ReplicatedOptions,
  type SubmitOptions,
} from './replicated/replicated.ts';
export type { StoreOptions } from './replicated/store.ts';
