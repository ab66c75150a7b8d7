import type { Arena } from './arena.ts';

/**
 * `struct msghdr`, `mmsghdr`, `iovec` and `cmsghdr` laid out by hand in an arena, 64-bit Linux. An array of mmsghdr can be built once
 * and sent many times; only lengths change per batch.
 *
 *   mmsghdr (64)    0 name ptr | 8 namelen u32 | 16 iov ptr | 24 iovlen u64 | 32 control ptr | 40 controllen u64 | 48 flags i32 | 56 len u32
 *   iovec   (16)    0 base ptr | 8 length u64
 *   cmsghdr         0 length u64 | 8 level i32 | 12 type i32 | 16 data …        (aligned to 8)
 */
export const MMSGHDR_BYTES = 64;
export const IOVEC_BYTES = 16;
export const CMSG_HEADER_BYTES = 16;
/** Room for one control message with up to 16 bytes of data (UDP_SEGMENT, UDP_GRO, credentials). */
export const CMSG_SLOT_BYTES = 32;
/** Length of a control message of UDP_SEGMENT: CMSG_SPACE(2). */
export const SEGMENT_CONTROL_BYTES = 24;
/** Most segments of one GSO send that every kernel takes, and most bytes of one datagram before cutting. */
export const GSO_SEGMENTS_MAX = 64;
export const GSO_BYTES_MAX = 65_000;

const NAME = 0;
const NAME_LENGTH = 8;
const IOV = 16;
const IOV_LENGTH = 24;
const CONTROL = 32;
const CONTROL_LENGTH = 40;
const FLAGS = 48;
const LENGTH = 56;
const TWO_32 = 4294967296;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

/** Stores a 64-bit address without BigInt. */
function writeAddress(arena: Arena, at: number, address: number): void {
  arena.u32[at >> 2] = address % TWO_32;
  arena.u32[(at >> 2) + 1] = address / TWO_32;
}

/**
 * Stores the address of a place in the arena. Offsets are small integers and addresses are not: a call that passes one allocates, so
 * the sum is made here.
 */
function writePointer(arena: Arena, at: number, offset: number): void {
  const address = arena.address + offset;
  arena.u32[at >> 2] = address % TWO_32;
  arena.u32[(at >> 2) + 1] = address / TWO_32;
}

function writeLength(arena: Arena, at: number, value: number): void {
  arena.u32[at >> 2] = value;
  arena.u32[(at >> 2) + 1] = 0;
}

/** What `writePointer` stored, below 2^53. */
const readPointer = (arena: Arena, offset: number): number =>
  arena.u32[offset >> 2]! + arena.u32[(offset >> 2) + 1]! * TWO_32;

/** An iovec at `at` for a piece of the same arena. */
export function writeIovec(arena: Arena, at: number, offset: number, bytes: number): void {
  writePointer(arena, at, offset);
  writeLength(arena, at + 8, bytes);
}

/** The same for memory elsewhere. */
export function writeForeignIovec(arena: Arena, at: number, address: number, bytes: number): void {
  writeAddress(arena, at, address);
  writeLength(arena, at + 8, bytes);
}

/**
 * Fills one message header (the first 56 bytes are a msghdr, so the same memory serves sendmsg and sendmmsg).
 * `nameOffset` and `controlOffset` of 0 mean none; all offsets are in the same arena.
 */
export function writeMessageHeader(
  arena: Arena,
  offset: number,
  nameOffset: number,
  nameBytes: number,
  iovOffset: number,
  iovCount: number,
  controlOffset = 0,
  controlBytes = 0,
): void {
  if (nameOffset === 0) writeLength(arena, offset + NAME, 0);
  else writePointer(arena, offset + NAME, nameOffset);
  writeLength(arena, offset + NAME_LENGTH, nameBytes);
  writePointer(arena, offset + IOV, iovOffset);
  writeLength(arena, offset + IOV_LENGTH, iovCount);
  if (controlOffset === 0) writeLength(arena, offset + CONTROL, 0);
  else writePointer(arena, offset + CONTROL, controlOffset);
  writeLength(arena, offset + CONTROL_LENGTH, controlOffset === 0 ? 0 : controlBytes);
  arena.i32[(offset + FLAGS) >> 2] = 0;
  arena.i32[(offset + LENGTH) >> 2] = 0;
}

/** Of a message that was written here: offset and length of its address, and of its first iovec and their number; for messages in trouble. */
export const messageName = (arena: Arena, offset: number): number => readPointer(arena, offset + NAME) - arena.address;
export const messageNameBytes = (arena: Arena, offset: number): number => arena.u32[(offset + NAME_LENGTH) >> 2]!;
export const messageIovec = (arena: Arena, offset: number): number => readPointer(arena, offset + IOV) - arena.address;
export const messageIovecs = (arena: Arena, offset: number): number => arena.u32[(offset + IOV_LENGTH) >> 2]!;
/** Where the control message of a message that was written here lies; negative: it has none. */
export const messageControl = (arena: Arena, offset: number): number =>
  readPointer(arena, offset + CONTROL) - arena.address;
/** Offset and length of the memory that an iovec names. */
export const iovecOffset = (arena: Arena, offset: number): number => readPointer(arena, offset) - arena.address;
export const iovecBytes = (arena: Arena, offset: number): number => arena.u32[(offset + 8) >> 2]!;
/** Segment length of a control message that `writeSegmentControl` wrote. */
export const segmentBytesOf = (arena: Arena, offset: number): number => arena.u32[(offset >> 2) + 4]!;

/** Bytes received into (or sent from) an element of an mmsghdr array. */
export const messageLength = (arena: Arena, offset: number): number => arena.i32[(offset + LENGTH) >> 2]!;
export const messageFlags = (arena: Arena, offset: number): number => arena.i32[(offset + FLAGS) >> 2]!;
export const controlLength = (arena: Arena, offset: number): number => arena.i32[(offset + CONTROL_LENGTH) >> 2]!;
/** The kernel overwrites these two with what it used; give them back before each receive. */
export function resetForReceive(arena: Arena, offset: number, nameBytes: number, controlBytes: number): void {
  arena.i32[(offset + NAME_LENGTH) >> 2] = nameBytes;
  arena.i32[(offset + CONTROL_LENGTH) >> 2] = controlBytes;
}

/** Control message that cuts one send into datagrams of `segmentBytes`; it needs CMSG_SLOT_BYTES, SEGMENT_CONTROL_BYTES are announced. */
export function writeSegmentControl(arena: Arena, offset: number, segmentBytes: number): void {
  const word = offset >> 2;
  arena.u32[word] = 18; // CMSG_LEN(2)
  arena.u32[word + 1] = 0;
  arena.i32[word + 2] = SOL_UDP;
  arena.i32[word + 3] = UDP_SEGMENT;
  arena.u32[word + 4] = segmentBytes;
}

/** What the kernel writes of a message that it has received: whose it is, how long it is, and of which length the datagrams joined in it are (0: it is one). */
export function writeReceived(
  arena: Arena,
  header: number,
  nameBytes: number,
  bytes: number,
  control: number,
  segmentBytes: number,
): void {
  arena.u32[(header + NAME_LENGTH) >> 2] = nameBytes;
  arena.i32[(header + FLAGS) >> 2] = 0;
  arena.i32[(header + LENGTH) >> 2] = bytes;
  arena.i32[(header + CONTROL_LENGTH) >> 2] = segmentBytes > 0 ? SEGMENT_CONTROL_BYTES : 0;
  if (segmentBytes === 0) return;
  const word = control >> 2;
  arena.i32[word + 2] = SOL_UDP;
  arena.i32[word + 3] = UDP_GRO;
  arena.i32[word + 4] = segmentBytes;
}

/** Length of the datagrams that the kernel joined into one receive, 0 if it joined none. `header` is the mmsghdr. */
export function receivedSegmentBytes(arena: Arena, header: number, controlOffset: number): number {
  const word = controlOffset >> 2;
  if (arena.i32[(header + CONTROL_LENGTH) >> 2]! < CMSG_HEADER_BYTES + 4) return 0;
  return arena.i32[word + 2] === SOL_UDP && arena.i32[word + 3] === UDP_GRO ? arena.i32[word + 4]! : 0;
}
