/**
 * The public TypeScript API of a cluster node: Rondo's daemon, or stock Corosync 3.1, over its IPC.
 * See docs/client.md for runnable examples.
 */
export { CsError, type CsErrorName, CsStatusError, RondoError } from '../lib/errors.ts';
export type { MessageData } from './arguments.ts';
export { Cfg, type LocalLink, type NodeLink, type NodeStatus, type ShutdownRequest } from './cfg.ts';
export {
  Cmap,
  type CmapEntry,
  type CmapEvent,
  type CmapEventKind,
  type CmapGapEvent,
  type CmapMap,
  type CmapOptions,
  type CmapPlain,
  type CmapTypeName,
  type CmapWatch,
  type WatchOptions,
} from './cmap.ts';
export { bytesCodec, type Codec, jsonCodec, messagePackCodec, textCodec } from './codecs.ts';
export {
  CPG_ATOMIC_BYTES_MAX,
  CPG_MESSAGE_BYTES_MAX,
  Cpg,
  type CpgChange,
  type CpgEvent,
  type CpgMember,
  type CpgMembershipEvent,
  type CpgMessageEvent,
  type CpgOptions,
  type CpgOversizeEvent,
  type CpgPlace,
  type CpgProcess,
  type CpgReason,
  type CpgRingEvent,
  type SendOptions,
} from './cpg.ts';
export { ArgumentError, ConnectionError, type ConnectionErrorCode, StateError, type StateErrorCode } from './errors.ts';
export { Evs, type EvsConfigurationEvent, type EvsEventRecord, type EvsMessage } from './evs.ts';
export type { MessagePackValue } from './message-pack.ts';
export { type NodeListEvent, Quorum, type QuorumEvent, type RingIdentity } from './quorum.ts';
export type { ConnectionStatus, GapEvent, ReconnectOptions } from './reconnection.ts';
export type { Reply } from './reply.ts';
export { type SuperviseOptions, supervise } from './sam/monitor.ts';
export type { SamPolicy, SamState } from './sam/monitor-core.ts';
export { type HealthCheck, Sam } from './sam/sam.ts';
export { type ServiceCallOptions, ServiceClient } from './service-client.ts';
export type { CallOptions, ConnectOptions, ReconnectingOptions } from './session.ts';
export { type NodeState, type VoteInfo, Votequorum, type VotequorumEvent } from './votequorum.ts';
