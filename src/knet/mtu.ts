import { KNET } from './constants.ts';

/** What a crypto configuration adds to a packet (knet.md 4.1, 5.1). All zero for clear text. */
export interface CryptoSizes {
  /** The IV in front: 16 with a cipher. */
  readonly saltBytes: number;
  /** What plaintext is padded to: 16 with AES-CBC, 0 with AES-CTR. Hash-only configurations have none (stock forgets that: knet.md trap 19). */
  readonly blockBytes: number;
  readonly digestBytes: number;
}

export const CLEAR_SIZES: CryptoSizes = { saltBytes: 0, blockBytes: 0, digestBytes: 0 };

/** IP and UDP headers of a link's family. */
export const ipOverheadBytes = (family: 4 | 6): number =>
  family === 4 ? KNET.ipv4OverheadBytes : KNET.ipv6OverheadBytes;

/** Payload bytes of a fragment when `udpBytes` are available for the UDP payload (knet.md 4.1 `maxdata`). */
export function maxData(sizes: CryptoSizes, udpBytes: number): number {
  let room = udpBytes - sizes.saltBytes - sizes.digestBytes;
  // One byte less than whole blocks, so that the padding does not open another block.
  if (sizes.blockBytes > 0) room = room - (room % sizes.blockBytes) - 1;
  return room - KNET.allHeaderBytes;
}

/** UDP payload of a plaintext packet once it is sealed (knet.md 4.1 `wirelen`). */
export function wireLength(sizes: CryptoSizes, plainBytes: number): number {
  let length = plainBytes;
  if (sizes.blockBytes > 0) length += sizes.blockBytes - (length % sizes.blockBytes);
  return length + sizes.saltBytes + sizes.digestBytes;
}

/** Data MTU that every path carries: what is used before a larger one is confirmed (knet.md 4.1 "minimum", 4.4). */
export const minimumData = (sizes: CryptoSizes): number => maxData(sizes, 576 - 68);
