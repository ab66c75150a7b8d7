import { assert } from '../lib/assert.ts';
import { RING_SEQ_MAX } from '../lib/ring-seq.ts';

/** Constants of the protocol (totem.md 2); the names are stock's where stock has one. */
export const TOTEM_LIMITS = {
  /** PROCESSOR_COUNT_MAX: members of a ring, entries of a JOIN list. */
  processorsMax: 384,
  /** FRAME_SIZE_MAX: largest MCAST datagram. */
  frameBytesMax: 65_536,
  /** RETRANSMIT_ENTRIES_MAX: entries of rtr_list; more than 30 crash releases up to 3.1.9 (totem.md trap 10). */
  rtrEntriesMax: 30,
  /** Largest ORF token datagram that releases from 3.1.10 accept (totem.md trap 11). */
  orfTokenBytesMax: 1500,
  /** QUEUE_RTR_ITEMS_SIZE_MAX: slots of a sort queue. */
  sortQueueSlots: 16_384,
  /** Bytes that one send queue may hold (totem.md 2.2). */
  sendQueueBytes: 4_194_304,
  /** MESSAGE_SIZE_MAX + 65 536: a reassembly buffer; stock aborts when it is reached (totem.md trap 45), we throw away. */
  assemblyBytesMax: 1_114_112,
  /** Groups that one message may name. */
  groupsPerMessageMax: 32,
  /** Consecutive GATHER entries by consensus timeout before the "firewall" statistic rises. */
  continuousGatherMax: 3,
  continuousSendFailuresMax: 30,
  /** Ring sequence numbers above this are hostile: they could not grow without losing precision. Its successor is 1. */
  ringSeqMax: RING_SEQ_MAX,
} as const;

/**
 * Packets are never made smaller than this because of loss: with everything in front of it, knet's encryption included, it travels in one
 * datagram of an Ethernet.
 */
export const PACKET_BYTES_MIN = 1280;

/** Bytes that two MCAST headers take: one for the message, one for a possible encapsulation (totem.md 2.1). */
export const MTU_OVERHEAD_BYTES = 90;

/** M of the specification, in stock's log "Maximum network MTU". */
export const totemMtu = (netMtu: number): number => netMtu - MTU_OVERHEAD_BYTES;

assert(
  (TOTEM_LIMITS.sortQueueSlots & (TOTEM_LIMITS.sortQueueSlots - 1)) === 0,
  'the sort queue is indexed with a mask',
);
assert(
  57 + 16 * TOTEM_LIMITS.rtrEntriesMax <= TOTEM_LIMITS.orfTokenBytesMax,
  'a full token must pass the length check of 3.1.10',
);
