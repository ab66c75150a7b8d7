import { createCipheriv, createHmac } from 'node:crypto';
import { Arena } from '../../os/arena.ts';
import type { MultiBlockKernels } from '../../os/openssl.ts';
import { DIGEST_STRIDE, LANES, type Lanes, makeLanes } from './crypto-engine.ts';
import { MultiBlockCipher } from './multi-block-cipher.ts';
import { type MultiBlockHash, MultiBlockMac } from './multi-block-mac.ts';

const SLOT_BYTES = 2_048;
/** Blocks per lane: different ones, one of them idle, as a real batch has them. */
const SHAPES = [[1], [90, 3, 1], [2, 0, 88, 7, 1, 90, 4, 5]] as const;

/**
 * The kernels are internal functions of OpenSSL, and a build could change their layout. Before the first packet
 * depends on them they encrypt, decrypt and authenticate known packets, and node:crypto has to agree.
 */
export function engineAgrees(kernels: MultiBlockKernels): boolean {
  const packets = Arena.map(2 * LANES * SLOT_BYTES);
  try {
    for (const keyBytes of [16, 24, 32]) {
      for (const shape of SHAPES) if (!cipherAgrees(kernels, packets, keyBytes, shape)) return false;
    }
    for (const hash of ['sha1', 'sha224', 'sha256'] as const) {
      for (const shape of SHAPES) if (!macAgrees(kernels, packets, hash, shape)) return false;
    }
    return true;
  } finally {
    packets.unmap();
  }
}

function prepare(packets: Arena, shape: readonly number[]): Lanes {
  const lanes = makeLanes();
  for (let i = 0; i < packets.u8.length; i++) packets.u8[i] = (i * 167 + (i >> 8)) & 0xff;
  shape.forEach((blocks, lane) => {
    lanes.at[lane] = lane * SLOT_BYTES;
    lanes.cipherBytes[lane] = blocks * 16;
    lanes.macBytes[lane] = blocks === 0 ? 0 : 16 + blocks * 16;
  });
  return lanes;
}

function cipherAgrees(kernels: MultiBlockKernels, packets: Arena, keyBytes: number, shape: readonly number[]): boolean {
  const lanes = prepare(packets, shape);
  const before = packets.u8.slice();
  const key = Uint8Array.from({ length: keyBytes }, (_, i) => i * 7 + 1);
  const cipher = new MultiBlockCipher(kernels, packets, key);
  cipher.encrypt(lanes, shape.length);
  const encrypted = packets.u8.slice();
  const delta = LANES * SLOT_BYTES;
  cipher.decrypt(lanes, shape.length, delta);
  cipher.wipe();
  return shape.every((blocks, lane) => {
    const at = lane * SLOT_BYTES;
    const data = at + 16;
    const end = data + blocks * 16;
    const reference = createCipheriv(`aes-${keyBytes * 8}-cbc`, key, before.slice(at, data)).setAutoPadding(false);
    const expected = reference.update(before.slice(data, end));
    return (
      expected.equals(encrypted.subarray(data, end)) &&
      (blocks === 0 ||
        Buffer.from(before.subarray(data, end)).equals(packets.u8.subarray(data + delta, end + delta))) &&
      Buffer.from(before.subarray(end, at + SLOT_BYTES)).equals(encrypted.subarray(end, at + SLOT_BYTES))
    );
  });
}

function macAgrees(
  kernels: MultiBlockKernels,
  packets: Arena,
  hash: MultiBlockHash,
  shape: readonly number[],
): boolean {
  const lanes = prepare(packets, shape);
  lanes.macBytes[0] = lanes.macBytes[0]! + 7; // hash-only packets have any length
  const key = Uint8Array.from({ length: 64 }, (_, i) => i * 3 + 5);
  const mac = new MultiBlockMac(kernels, packets, hash, key);
  mac.compute(lanes, shape.length);
  const agrees = shape.every((_, lane) => {
    const at = lanes.at[lane]!;
    const bytes = lanes.macBytes[lane]!;
    if (bytes === 0) return true;
    const expected = createHmac(hash, key)
      .update(packets.u8.slice(at, at + bytes))
      .digest();
    return expected.equals(mac.digests.subarray(lane * DIGEST_STRIDE, lane * DIGEST_STRIDE + mac.digestBytes));
  });
  mac.wipe();
  return agrees;
}
