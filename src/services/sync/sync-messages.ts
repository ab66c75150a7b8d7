import type { RingId } from '../../lib/ring-id.ts';

/**
 * The two messages of group "sync" (services.md 1.6). Little endian; never converted (services.md 1.3).
 *
 *   barrier (32):        | i32 id 0 @0 | i32 size @8 | ring id: u32 rep @16, u64 seq @20 | padding @28 |
 *   service build (552): | i32 id 1 @0 | i32 size @8 | ring id @16 | i32 count @32 | i32 services[128] @40 |
 */
export const SYNC_BARRIER = 0;
export const SYNC_SERVICE_BUILD = 1;
export const BARRIER_BYTES = 32;
export const SERVICE_BUILD_BYTES = 552;
export const SERVICE_LIST_MAX = 128;

const OFFSET_SIZE = 8;
const OFFSET_REP = 16;
const OFFSET_SEQ = 20;
const OFFSET_COUNT = 32;
const OFFSET_SERVICES = 40;
const TWO_TO_32 = 0x1_0000_0000;

export type SyncDropReason = 'short' | 'unknownId' | 'badCount' | 'foreignRing' | 'early' | 'late';
export type SyncMessage =
  | { readonly id: typeof SYNC_BARRIER; readonly ringId: RingId }
  | { readonly id: typeof SYNC_SERVICE_BUILD; readonly ringId: RingId; readonly services: readonly number[] };
export type DecodedSync =
  | { readonly ok: true; readonly value: SyncMessage }
  | { readonly ok: false; readonly reason: SyncDropReason };

export function encodeBarrier(ringId: RingId): Uint8Array {
  const bytes = new Uint8Array(BARRIER_BYTES);
  writeHead(bytes, SYNC_BARRIER, ringId);
  return bytes;
}

export function encodeServiceBuild(ringId: RingId, services: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(SERVICE_BUILD_BYTES);
  const view = writeHead(bytes, SYNC_SERVICE_BUILD, ringId);
  const count = Math.min(services.length, SERVICE_LIST_MAX);
  view.setInt32(OFFSET_COUNT, count, true);
  for (let index = 0; index < count; index++) view.setInt32(OFFSET_SERVICES + 4 * index, services[index]!, true);
  return bytes;
}

export function decodeSync(memory: Uint8Array, offset: number, length: number): DecodedSync {
  if (length < BARRIER_BYTES) return { ok: false, reason: 'short' };
  const view = new DataView(memory.buffer, memory.byteOffset + offset, length);
  const id = view.getInt32(0, true);
  if (id !== SYNC_BARRIER && id !== SYNC_SERVICE_BUILD) return { ok: false, reason: 'unknownId' };
  const seq = view.getUint32(OFFSET_SEQ, true) + view.getUint32(OFFSET_SEQ + 4, true) * TWO_TO_32;
  if (!Number.isSafeInteger(seq)) return { ok: false, reason: 'foreignRing' };
  const ringId = { rep: view.getUint32(OFFSET_REP, true), seq };
  if (id === SYNC_BARRIER) return { ok: true, value: { id, ringId } };

  if (length < SERVICE_BUILD_BYTES) return { ok: false, reason: 'short' };
  const count = view.getInt32(OFFSET_COUNT, true);
  if (count < 0 || count > SERVICE_LIST_MAX) return { ok: false, reason: 'badCount' };
  const services: number[] = [];
  for (let index = 0; index < count; index++) services.push(view.getInt32(OFFSET_SERVICES + 4 * index, true));
  return { ok: true, value: { id, ringId, services } };
}

function writeHead(bytes: Uint8Array, id: number, ringId: RingId): DataView {
  const view = new DataView(bytes.buffer);
  view.setInt32(0, id, true);
  view.setInt32(OFFSET_SIZE, bytes.length, true);
  view.setUint32(OFFSET_REP, ringId.rep, true);
  view.setUint32(OFFSET_SEQ, ringId.seq % TWO_TO_32, true);
  view.setUint32(OFFSET_SEQ + 4, Math.floor(ringId.seq / TWO_TO_32), true);
  return view;
}
