import type { FrameMemory } from '../lib/frame-memory.ts';
import { PacketType } from './constants.ts';
import { writeKnetHeader } from './header.ts';

/**
 * PING and PONG (knet.md 1.3), after the common header. The fields are unaligned, and of mixed byte order (knet.md trap 1).
 *
 *   6      7                                   23       25      26
 *   | link | seconds u64 LE · nanoseconds u64 LE | seq BE | timed |
 *
 * The time is the PING sender's monotonic clock and opaque to everybody else. `seq` is the sender's newest DATA number,
 * `timed` 0 marks the extra PING that announces a number (2.1 step 8).
 */
const OFFSET = { link: 6, seconds: 7, nanoseconds: 15, seq: 23, timed: 25 } as const;

const NANOSECONDS_PER_MS = 1e6;
const U32 = 0x1_0000_0000;

/** A time as it comes back in the PONG: cut to nanoseconds. */
export function timeOnWireMs(nowMs: number): number {
  const seconds = Math.floor(nowMs / 1000);
  return seconds * 1000 + nanosecondsOf(nowMs, seconds) / NANOSECONDS_PER_MS;
}

const nanosecondsOf = (nowMs: number, seconds: number): number =>
  Math.min(999_999_999, Math.floor((nowMs - seconds * 1000) * NANOSECONDS_PER_MS));

export function writePing(
  memory: FrameMemory,
  at: number,
  nodeId: number,
  linkId: number,
  nowMs: number,
  seq: number,
  timed: boolean,
): void {
  writeKnetHeader(memory, at, PacketType.PING, nodeId);
  const { bytes, view } = memory;
  const seconds = Math.floor(nowMs / 1000);
  const nanoseconds = nanosecondsOf(nowMs, seconds);
  bytes[at + OFFSET.link] = linkId;
  view.setUint32(at + OFFSET.seconds, seconds, true);
  view.setUint32(at + OFFSET.seconds + 4, Math.floor(seconds / U32), true);
  view.setUint32(at + OFFSET.nanoseconds, nanoseconds, true);
  view.setUint32(at + OFFSET.nanoseconds + 4, 0, true);
  bytes[at + OFFSET.seq] = seq >>> 8;
  bytes[at + OFFSET.seq + 1] = seq;
  bytes[at + OFFSET.timed] = timed ? 1 : 0;
}

/** Link of PING, PONG, PMTUD and PMTUD_REPLY: the same byte in all four. */
export const readLink = (memory: FrameMemory, at: number): number => memory.bytes[at + OFFSET.link]!;
export const readPingSeq = (memory: FrameMemory, at: number): number =>
  (memory.bytes[at + OFFSET.seq]! << 8) | memory.bytes[at + OFFSET.seq + 1]!;
export const readTimed = (memory: FrameMemory, at: number): number => memory.bytes[at + OFFSET.timed]!;

/**
 * The time field as milliseconds, or −1 when it is not a 64-bit little-endian timespec (another architecture's peer):
 * then nothing may be concluded from it.
 */
export function readPingTimeMs(memory: FrameMemory, at: number): number {
  const view = memory.view;
  const nanoseconds = view.getUint32(at + OFFSET.nanoseconds, true);
  if (nanoseconds > 999_999_999 || view.getUint32(at + OFFSET.nanoseconds + 4, true) !== 0) return -1;
  const secondsHigh = view.getUint32(at + OFFSET.seconds + 4, true);
  if (secondsHigh > 0xff) return -1;
  const seconds = secondsHigh * U32 + view.getUint32(at + OFFSET.seconds, true);
  return seconds * 1000 + nanoseconds / NANOSECONDS_PER_MS;
}
