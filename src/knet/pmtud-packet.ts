import type { FrameMemory } from '../lib/frame-memory.ts';
import { KNET, PacketType } from './constants.ts';
import { writeKnetHeader } from './header.ts';

/**
 * PMTUD and PMTUD_REPLY (knet.md 1.4), after the common header. PMTUD is filled with zeros up to the size that it
 * probes, its reply ends at 9.
 *
 *   6      7           9
 *   | link | size LE   | zeros … |
 *
 * `size` is native byte order (knet.md trap 1): the IP-level size that the probe stands for. Replies echo link and size.
 */
const OFFSET = { link: 6, size: 7 } as const;

export function writePmtud(
  memory: FrameMemory,
  at: number,
  nodeId: number,
  linkId: number,
  size: number,
  plainBytes: number,
): void {
  writeKnetHeader(memory, at, PacketType.PMTUD, nodeId);
  memory.bytes[at + OFFSET.link] = linkId;
  memory.view.setUint16(at + OFFSET.size, size, true);
  memory.bytes.fill(0, at + KNET.pmtudBytes, at + plainBytes);
}

export const readPmtudSize = (memory: FrameMemory, at: number): number => memory.view.getUint16(at + OFFSET.size, true);
