/** Building blocks for programs that agree, on top of the client. See docs/platform.md. */

export type { Backoff } from '../client/backoff.ts';
export { Barrier, type BarrierOptions, type BarrierRound } from './barrier/barrier.ts';
export { Counter } from './counter.ts';
export {
  MachineError,
  type MachineErrorCode,
  RpcError,
  type RpcErrorCode,
  StoreError,
  type StoreErrorCode,
} from './errors.ts';
export { type GroupEvent, type GroupOptions, type GroupSendOptions, ProcessGroup } from './group.ts';
export { type Lease, type LeaseOptions, Leases, type LeasesOptions } from './leases/leases.ts';
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
export { Presence, type PresenceChange, type PresenceOptions, type PresentMember } from './presence/presence.ts';
export type { Job } from './queue/job.ts';
export { type GivenUpJob, type JobQueueOptions, Queue } from './queue/queue.ts';
export type { OrderPlace, ReplicaState } from './replicated/core.ts';
export type { DigestReport } from './replicated/digest-check.ts';
export type { MachineStatus } from './replicated/on-machine.ts';
export {
  type ApplyContext,
  type MachineMember,
  Replicated,
  type ReplicatedOptions,
  type SharedOptions,
  type SubmitOptions,
} from './replicated/replicated.ts';
export type { StoreOptions } from './replicated/store.ts';
export {
  type CallAllOptions,
  Rpc,
  type RpcCallOptions,
  type RpcContext,
  type RpcOptions,
  type RpcOutcome,
} from './rpc/rpc.ts';
