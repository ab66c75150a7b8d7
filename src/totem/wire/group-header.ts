import { LIMITS } from '../limits.ts';

/**
 * Header of a message (totem.md 5.1): u16 group count, a u16 length per group, the names, then the payload.
 * A running cluster has two groups, or three with the quorum provider ykd, so what we send is one of three constants.
 */
export const GROUP_HEADERS = [
  Uint8Array.of(1, 0, 1, 0, 0x61), // "a"
  Uint8Array.of(1, 0, 4, 0, 0x73, 0x79, 0x6e, 0x63), // "sync"
  Uint8Array.of(1, 0, 3, 0, 0x79, 0x6b, 0x64), // "ykd"
] as const;

export const ADDRESSED_SERVICES = 1;
export const ADDRESSED_SYNC = 2;
export const ADDRESSED_YKD = 4;

/**
 * Result of `readGroupHeader`: which of our groups are addressed (bits), and where the payload begins. One object per
 * reader, filled by each call.
 */
export class GroupHeader {
  addressed = 0;
  bytes = 0;
}

/** False if the message is too short for what its header says. */
export function readGroupHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  littleEndian: boolean,
  into: GroupHeader,
): boolean {
  into.addressed = 0;
  if (length < 2) return false;
  const count = u16(bytes, at, littleEndian);
  if (count > LIMITS.groupsPerMessageMax) return false;
  let names = 2 + 2 * count;
  if (length < names) return false;
  for (let i = 0; i < count; i++) {
    const nameBytes = u16(bytes, at + 2 + 2 * i, littleEndian);
    if (names + nameBytes > length) return false;
    if (nameBytes === 1 && bytes[at + names] === 0x61) into.addressed |= ADDRESSED_SERVICES;
    if (nameBytes === 4 && isSync(bytes, at + names)) into.addressed |= ADDRESSED_SYNC;
    if (nameBytes === 3 && isYkd(bytes, at + names)) into.addressed |= ADDRESSED_YKD;
    names += nameBytes;
  }
  into.bytes = names;
  return true;
}

function u16(bytes: Uint8Array, at: number, littleEndian: boolean): number {
  return littleEndian ? bytes[at]! | (bytes[at + 1]! << 8) : (bytes[at]! << 8) | bytes[at + 1]!;
}

const isSync = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0x73 && bytes[at + 1] === 0x79 && bytes[at + 2] === 0x6e && bytes[at + 3] === 0x63;

const isYkd = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0x79 && bytes[at + 1] === 0x6b && bytes[at + 2] === 0x64;
