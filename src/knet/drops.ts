/**
 * Why a received packet went no further. The position in the list is the reason's number in counters and reports.
 * `noisy` reasons are worth a (rate-limited) log line that names the peer; the others belong to normal operation.
 */
const REASONS = [
  { name: 'short', noisy: true },
  { name: 'authentication', noisy: true },
  { name: 'padding', noisy: true },
  { name: 'clear_refused', noisy: true },
  { name: 'version', noisy: true },
  { name: 'unknown_host', noisy: true },
  { name: 'own_id', noisy: true },
  { name: 'bad_link', noisy: true },
  { name: 'source_address', noisy: true },
  { name: 'bad_length', noisy: true },
  { name: 'bad_fragment', noisy: true },
  { name: 'unknown_type', noisy: false },
  { name: 'not_reachable', noisy: false },
  { name: 'duplicate', noisy: false },
  { name: 'stale', noisy: true },
  { name: 'replayed_ping', noisy: true },
  { name: 'late_pong', noisy: false },
  { name: 'late_fragment', noisy: false },
  { name: 'too_long', noisy: true },
  { name: 'compression_unknown', noisy: true },
  { name: 'compression_corrupt', noisy: true },
  { name: 'compression_budget', noisy: true },
  { name: 'channel', noisy: false },
  { name: 'foreign_target', noisy: false },
  { name: 'truncated', noisy: true },
] as const;

export type DropName = (typeof REASONS)[number]['name'];
export type KnetDropReason = number;

export const DROP_REASON_COUNT = REASONS.length;
export const dropName = (reason: KnetDropReason): DropName => REASONS[reason]!.name;
export const dropIsNoisy = (reason: KnetDropReason): boolean => REASONS[reason]!.noisy;

const numberOf = (name: DropName): KnetDropReason => REASONS.findIndex((reason) => reason.name === name);

export const KnetDrop = {
  short: numberOf('short'),
  authentication: numberOf('authentication'),
  padding: numberOf('padding'),
  clearRefused: numberOf('clear_refused'),
  version: numberOf('version'),
  unknownHost: numberOf('unknown_host'),
  ownId: numberOf('own_id'),
  badLink: numberOf('bad_link'),
  sourceAddress: numberOf('source_address'),
  badLength: numberOf('bad_length'),
  badFragment: numberOf('bad_fragment'),
  unknownType: numberOf('unknown_type'),
  notReachable: numberOf('not_reachable'),
  duplicate: numberOf('duplicate'),
  stale: numberOf('stale'),
  replayedPing: numberOf('replayed_ping'),
  latePong: numberOf('late_pong'),
  lateFragment: numberOf('late_fragment'),
  tooLong: numberOf('too_long'),
  compressionUnknown: numberOf('compression_unknown'),
  compressionCorrupt: numberOf('compression_corrupt'),
  compressionBudget: numberOf('compression_budget'),
  channel: numberOf('channel'),
  foreignTarget: numberOf('foreign_target'),
  truncated: numberOf('truncated'),
} as const;
