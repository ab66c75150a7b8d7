/**
 * The public face of the Totem core. Everything else of this folder is its inside.
 * Usage: make a `ProcessGroups`, feed `groups.srp` with frames and time, call `groups.srp.interfaceChanged()` once the
 * transport is ready, send with `groups.mcast`.
 */
export { DROP_NAMES, TotemDrop, type TotemDropReason } from './drop-reason.ts';
export { FlowLevel, type FlowLevelValue } from './flow-level.ts';
export { FRAME_PAGE_BYTES, type FramePool } from './frame-pool.ts';
export * from './interface.ts';
export { TOTEM_LIMITS, totemMtu } from './limits.ts';
export { HISTOGRAM_NAMES, HISTOGRAMS } from './passage.ts';
export { ProcessGroups, type TotemOptions } from './process-groups.ts';
export { TotemSrp } from './srp.ts';
export { SRP_STATISTICS, STATISTICS_SLOTS, Stat, type StatisticName } from './statistics.ts';
export type { SrpTimings } from './timings.ts';
