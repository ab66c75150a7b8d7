import { assert } from '../lib/assert.ts';

/** Sizes and limits of the wire format (knet.md 0, 1). Bytes unless the name says otherwise. */
export const KNET = {
  wireVersion: 1,
  commonHeaderBytes: 6,
  dataHeaderBytes: 14,
  pingBytes: 26,
  /** Header of PMTUD, and the whole of PMTUD_REPLY. */
  pmtudBytes: 9,
  /** What every MTU formula subtracts, whatever the packet's own header is (knet.md 4.1, trap 10). */
  allHeaderBytes: 26,
  packetBytesMin: 7,
  messageBytesMax: 65_536,
  hostIdMax: 65_535,
  linksMax: 8,
  channelsMax: 32,
  fragmentsMax: 254,
  /** Largest UDP payload: 65535 − 20 − 8. */
  datagramBytesMax: 65_507,
  /** Every message whose number is a multiple of this is announced by an untimed PING (knet.md 2.1 step 8, trap 11). */
  untimedPingEvery: 8_191,
  ipv4OverheadBytes: 28,
  ipv6OverheadBytes: 48,
} as const;

export const PacketType = {
  DATA: 0x00,
  PING: 0x81,
  PONG: 0x82,
  PMTUD: 0x83,
  PMTUD_REPLY: 0x84,
} as const;

/** Bit that tells packets of knet itself from DATA. */
export const INTERNAL_BIT = 0x80;

/** Bounds of our own choice. */
export const KNET_LIMITS = {
  /**
   * Numbers behind the newest one that are still judged one by one; stock uses 4096 (knet.md 2.3). One less than the
   * flags, because the number 0 is left out when the sequence wraps.
   */
  windowNumbers: 16_383,
  windowFlags: 16_384,
  /**
   * Milliseconds of each `expandPeriodMs` that expanding compressed messages may take: of one host, in the model that this node is configured for and in
   * all others (knet.md 6 lets anybody send any), of all hosts in other models, and of all in all.
   */
  expandPeriodMs: 1_000,
  expandOwnModelMs: { host: 500, all: 800 },
  expandOtherModelsMs: { host: 250, all: 400 },
  /** Reassembly buffers that one source may hold (knet.md 2.4, trap 9). */
  buffersPerHostMax: 32,
  /** A buffer is given up when its number is this far behind the newest one; stock does it at 32 (knet.md 2.4, trap 9). */
  reassemblySpan: 256,
  /** Packets in one transmit batch. */
  txPacketsMax: 2_048,
  rxPacketsMax: 1_024,
  pmtudRoundsMax: 24,
  pmtudProbesPerRound: 4,
} as const;

assert(2 * KNET_LIMITS.windowNumbers < 65_535, 'window and ahead range must not overlap');
assert((KNET_LIMITS.windowFlags & (KNET_LIMITS.windowFlags - 1)) === 0, 'flags are indexed by masking');
assert(KNET_LIMITS.windowNumbers < KNET_LIMITS.windowFlags, 'two numbers of one window must not share a flag');
