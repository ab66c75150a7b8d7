import { KNET, PacketType } from '../knet/constants.ts';
import { readDataSeq } from '../knet/data-packet.ts';
import { frameMemory } from '../lib/frame-memory.ts';
import { looksLikeKnet } from './knet-packet.ts';
import { looksLikeTotem } from './totem-frame.ts';

/**
 * Datagrams of equal size that the kernel was given in one piece (UDP_SEGMENT): a capture on the sender, or on a host without a real network card
 * between, shows them as one, and nothing in it says how long each is.
 */
const SEGMENTS_MAX = 128;
const SEGMENT_BYTES_MIN = 32;
const SEGMENT_BYTES_MAX = 9_216;
/** Every sealed packet is so long, but for its digest. */
const STEP_BYTES = 4;
const SIZES_KEPT = 32;
/** Numbers of knet that lie so near each other are of one batch. */
const NEAR_NUMBERS = 256;

/** Pieces of `payload`, each of `size` bytes but the last. */
export function* cutInto(payload: Uint8Array, size: number): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < payload.length; at += size) yield payload.subarray(at, Math.min(payload.length, at + size));
}

/** The size of the pieces of several datagrams in clear; 0: it is one. */
export function clearSegmentBytes(payload: Uint8Array): number {
  const { view, bytes } = frameMemory(payload);
  const least = Math.max(SEGMENT_BYTES_MIN, Math.ceil(payload.length / SEGMENTS_MAX));
  const totem = looksLikeTotem(view, 0, payload.length);
  for (let size = least; size < payload.length && size <= SEGMENT_BYTES_MAX; size++) {
    // Cheap first: what begins a datagram is the same in all of one sender.
    if (view.getUint32(0) !== readHead(view, size)) continue;
    if (totem ? allTotem(view, size) : allKnet(bytes, size)) return size;
  }
  return 0;
}

const readHead = (view: DataView, at: number): number => (at + 4 <= view.byteLength ? view.getUint32(at) : -1);

function allTotem(view: DataView, size: number): boolean {
  for (let at = 0; at < view.byteLength; at += size) if (!looksLikeTotem(view, at, view.byteLength - at)) return false;
  return true;
}

function allKnet(bytes: Uint8Array, size: number): boolean {
  const memory = frameMemory(bytes);
  if (bytes[1] !== PacketType.DATA) return false;
  const first = readDataSeq(memory, 0);
  for (let at = 0; at < bytes.length; at += size) {
    if (bytes.length - at <= KNET.dataHeaderBytes || !looksLikeKnet(memory, at, bytes.length - at)) return false;
    if (((readDataSeq(memory, at) - first) & 0xffff) > NEAR_NUMBERS) return false;
  }
  return true;
}

/** Sizes that pieces of a sealed run can have; those that fitted before come first. */
export class SegmentSizes {
  private readonly known: number[] = [];

  *candidates(length: number): Generator<number, void, undefined> {
    const fits = (size: number): boolean => size < length && size * SEGMENTS_MAX >= length;
    for (const size of [...this.known]) if (fits(size)) yield size;
    for (let size = SEGMENT_BYTES_MIN; size <= SEGMENT_BYTES_MAX && size < length; size += STEP_BYTES)
      if (fits(size)) yield size;
  }

  note(size: number): void {
    const at = this.known.indexOf(size);
    if (at >= 0) this.known.splice(at, 1);
    this.known.unshift(size);
    if (this.known.length > SIZES_KEPT) this.known.pop();
  }
}
