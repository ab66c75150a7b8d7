import type { FrameMemory } from '../lib/frame-memory.ts';

/** Ethernet frames on knet's data channel 1 (knet.md 7.4): the last two bytes of a hardware address are a node's id. */
export const ETHER_CHANNEL = 1;
export const EtherTarget = { EVERYBODY: 0, NOBODY: -1 } as const;

const ADDRESS_BYTES = 6;
const HEADER_BYTES = 14;
const GROUP_BIT = 1;

/** The node that a frame is for, `EtherTarget.EVERYBODY`, or `NOBODY`: it is too short, or has no destination. */
export function etherTarget({ bytes, view }: FrameMemory, at: number, length: number): number {
  if (length < HEADER_BYTES) return EtherTarget.NOBODY;
  if ((bytes[at]! & GROUP_BIT) !== 0) return EtherTarget.EVERYBODY;
  // Zeroes are no address; nor is there a node 0, which would be everybody.
  const nodeId = view.getUint16(at + ADDRESS_BYTES - 2);
  return nodeId === 0 ? EtherTarget.NOBODY : nodeId;
}
