import type { FrameMemory } from '../lib/frame-memory.ts';
import { KNET } from './constants.ts';

/**
 * Common header of every packet (knet.md 1.1). The node is the sender of *this* packet: for a reply, the replier.
 *
 *   0         1      2          4      5
 *   | version | type | node BE  | pad1 | pad2 |
 *
 * pad1 carries "highest version I support" in the 2.x line; it is sent as 0 and ignored (knet.md 1.5).
 */
const OFFSET = { version: 0, type: 1, node: 2, pad1: 4, pad2: 5 } as const;

export function writeKnetHeader(memory: FrameMemory, at: number, type: number, nodeId: number): void {
  const bytes = memory.bytes;
  bytes[at + OFFSET.version] = KNET.wireVersion;
  bytes[at + OFFSET.type] = type;
  bytes[at + OFFSET.node] = nodeId >>> 8;
  bytes[at + OFFSET.node + 1] = nodeId;
  bytes[at + OFFSET.pad1] = 0;
  bytes[at + OFFSET.pad2] = 0;
}

export const readVersion = (memory: FrameMemory, at: number): number => memory.bytes[at + OFFSET.version]!;
export const readType = (memory: FrameMemory, at: number): number => memory.bytes[at + OFFSET.type]!;
export const readNode = (memory: FrameMemory, at: number): number =>
  (memory.bytes[at + OFFSET.node]! << 8) | memory.bytes[at + OFFSET.node + 1]!;

/** Turns a request into its reply in place: only type and node change (knet.md 3.1, trap 2). */
export function turnIntoReply(memory: FrameMemory, at: number, type: number, nodeId: number): void {
  memory.bytes[at + OFFSET.type] = type;
  memory.bytes[at + OFFSET.node] = nodeId >>> 8;
  memory.bytes[at + OFFSET.node + 1] = nodeId;
}
