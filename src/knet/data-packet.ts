import type { FrameMemory } from '../lib/frame-memory.ts';
import { PacketType } from './constants.ts';
import { writeKnetHeader } from './header.ts';

/**
 * DATA (knet.md 1.2), after the common header:
 *
 *   6          8          9     10      11         12         13        14
 *   | seq BE   | compress | pad | bcast | frag_num | frag_seq | channel | payload … |
 *
 * frag_seq is 0 for an unfragmented message and counts from 1 otherwise (knet.md trap 6). Receivers never read bcast (knet.md trap 21).
 */
const OFFSET = { seq: 6, compress: 8, pad: 9, bcast: 10, fragNum: 11, fragSeq: 12, channel: 13 } as const;

export function writeDataHeader(
  memory: FrameMemory,
  at: number,
  nodeId: number,
  seq: number,
  compress: number,
  broadcast: boolean,
  fragNum: number,
  fragSeq: number,
  channel: number,
): void {
  writeKnetHeader(memory, at, PacketType.DATA, nodeId);
  const bytes = memory.bytes;
  bytes[at + OFFSET.seq] = seq >>> 8;
  bytes[at + OFFSET.seq + 1] = seq;
  bytes[at + OFFSET.compress] = compress;
  bytes[at + OFFSET.pad] = 0;
  bytes[at + OFFSET.bcast] = broadcast ? 1 : 0;
  bytes[at + OFFSET.fragNum] = fragNum;
  bytes[at + OFFSET.fragSeq] = fragSeq;
  bytes[at + OFFSET.channel] = channel;
}

export const readDataSeq = (memory: FrameMemory, at: number): number =>
  (memory.bytes[at + OFFSET.seq]! << 8) | memory.bytes[at + OFFSET.seq + 1]!;
export const readCompress = (memory: FrameMemory, at: number): number => memory.bytes[at + OFFSET.compress]!;
export const readBroadcast = (memory: FrameMemory, at: number): number => memory.bytes[at + OFFSET.bcast]!;
export const readFragNum = (memory: FrameMemory, at: number): number => memory.bytes[at + OFFSET.fragNum]!;
export const readFragSeq = (memory: FrameMemory, at: number): number => memory.bytes[at + OFFSET.fragSeq]!;
/** Signed on the wire; 0 is the ring, 1 the nozzle (knet.md 7.3). */
export const readChannel = (memory: FrameMemory, at: number): number => memory.bytes[at + OFFSET.channel]!;
