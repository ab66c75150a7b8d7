import type { RingId } from '../../lib/ring-id.ts';
import { SyncFn } from '../codec/ids.ts';
import { messageId } from '../codec/struct.ts';
import { SYNC_BARRIER, SYNC_SERVICE_BUILD, SYNC_SERVICES_MAX } from '../codec/sync.ts';

/** Why a message of sync had no effect; each is counted. */
export const SYNC_DROP_REASONS = ['short', 'unknownId', 'badCount', 'foreignRing', 'early', 'late'] as const;
export type SyncDropReason = (typeof SYNC_DROP_REASONS)[number];
export type SyncMessage =
  | { readonly id: typeof SyncFn.BARRIER; readonly ringId: RingId }
  | { readonly id: typeof SyncFn.SERVICE_BUILD; readonly ringId: RingId; readonly services: readonly number[] };
export type DecodedSync =
  | { readonly ok: true; readonly value: SyncMessage }
  | { readonly ok: false; readonly reason: SyncDropReason };

export const encodeBarrier = (ringId: RingId): Uint8Array => SYNC_BARRIER.message({ ringId });

export function encodeServiceBuild(ringId: RingId, services: readonly number[]): Uint8Array {
  const sent = services.slice(0, SYNC_SERVICES_MAX);
  return SYNC_SERVICE_BUILD.message({ ringId, serviceCount: sent.length, services: sent });
}

/** A message of group "sync"; the bytes are not trusted. */
export function decodeSync(memory: Uint8Array, offset: number, length: number): DecodedSync {
  const bytes = memory.subarray(offset, offset + length);
  const barrier = SYNC_BARRIER.decode(bytes);
  if (barrier === null) return { ok: false, reason: 'short' };
  const id = messageId(bytes);
  const { ringId } = barrier; // at the same place in both messages
  if (id === SyncFn.BARRIER) return { ok: true, value: { id, ringId } };
  if (id !== SyncFn.SERVICE_BUILD) return { ok: false, reason: 'unknownId' };

  const build = SYNC_SERVICE_BUILD.decode(bytes);
  if (build === null) return { ok: false, reason: 'short' };
  const { serviceCount, services } = build;
  if (serviceCount < 0 || serviceCount > SYNC_SERVICES_MAX) return { ok: false, reason: 'badCount' };
  return { ok: true, value: { id, ringId, services: services.slice(0, serviceCount) } };
}
