export { AddressRetry, type ResolvedAddress, withAddresses } from './address-retry.ts';
export { type ConfigEnvironment, nodeEnvironment } from './environment.ts';
export {
  ConfigError,
  type ConfigErrorCode,
  ConfigExit,
  type ConfigExitStatus,
  type ConfigWarning,
  type Position,
  warningText,
} from './errors.ts';
export { actsAtOnce, changesOf, type LiveResult } from './live-totem.ts';
export {
  CONFIG_FILE_DEFAULT,
  type FailedConfiguration,
  type LoadedConfiguration,
  type LoadOptions,
  type LoadResult,
  loadConfiguration,
} from './load.ts';
export { LOGGING_DEFAULTS, type LoggingConfig, readLogging } from './logging-config.ts';
export { STATE_DIRECTORY_DEFAULT } from './options/system.ts';
export { type KeyChange, keyChangeText, type TotemDiff } from './reload/diff.ts';
export { planReload, type RefusedReload, type ReloadInput, type ReloadPlan } from './reload/plan.ts';
export { unchangeableNotice } from './reload/unchangeable.ts';
export { publishRuntimeTotem } from './totem/publish.ts';
export type { UnresolvedAddress } from './totem/resolve-nodes.ts';
export type * from './totem-config.ts';
