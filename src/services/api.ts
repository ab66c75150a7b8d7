/**
 * The public interface for service engines that are loaded by configuration (docs/service-engines.md). It is versioned:
 * a module says which version it was written for, and the daemon refuses one that it does not know.
 */
export { TrackEvent } from '../config/icmap/index.ts';
export { CsError, type CsStatus } from '../lib/errors.ts';
export type { LogFunction, LogLevel } from '../lib/log.ts';
export { type ConfigurationChange, type RingId, ringIdEquals } from '../lib/ring-id.ts';
export { type Call, type CallResult, call, serve } from './codec/call.ts';
export * as fields from './codec/fields.ts';
export { type Messages, messageNames, multicast, receive, tryMulticast } from './codec/message.ts';
export { execStruct, RequestStruct, ResponseStruct, Struct, statusResponse, type ValuesOf } from './codec/struct.ts';
export {
  type CallHandler,
  ENGINE_INTERFACE_VERSION,
  type EngineConnection,
  type EngineContext,
  type EngineTimer,
  type LibraryCall,
  type MainEngineContext,
  type MessageHandler,
  type RunningService,
  type ServiceEngine,
  type SyncHooks,
} from './engine.ts';
export type { EngineModule, EngineModuleOptions } from './host/engine-modules.ts';
