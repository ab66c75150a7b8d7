/** Why a frame was not acted upon. `receive()` returns one of these, and each has a counter (totem.md 1.2, 1.11, 4.4). */
export const TotemDrop = {
  NONE: 0,
  /** Shorter than its type needs. */
  SHORT: 1,
  /** Neither byte order of 0xc070: another product, another generation, or encrypted. */
  BAD_MAGIC: 2,
  BAD_VERSION: 3,
  UNKNOWN_TYPE: 4,
  /** Longer than the protocol allows. */
  TOO_LONG: 5,
  /** A count above its bound (rtr entries, JOIN lists, commit token members). */
  BAD_COUNT: 6,
  /** Node id 0 where a node must be named. */
  BAD_NODE: 7,
  /** A ring sequence number beyond `LIMITS.ringSeqMax`. */
  BAD_RING_SEQ: 8,
  /** A token whose numbers contradict what this node has received. */
  BAD_TOKEN: 9,
  /** Of another ring, where that has no meaning. */
  FOREIGN_RING: 10,
  DUPLICATE: 11,
  /** The state of the protocol has no use for it. */
  WRONG_STATE: 12,
  /** Outside of the window of the sort queue. */
  OUT_OF_WINDOW: 13,
  /** No slot left: as if the network had lost it. */
  NO_MEMORY: 14,
  /** A JOIN met while a token was processed, or while waking from a pause (totem.md 4.5 step 0, 4.15). */
  STALE_JOIN: 15,
  /** The packet of the process-group layer is malformed (totem.md 5.3). `receive()` has returned by then: this one is only counted. */
  BAD_PACKET: 16,
  /** The membership lists would grow beyond `LIMITS.processorsMax`. */
  TOO_MANY_NODES: 17,
  /** Of a ring that this node, or a member of its ring, has left: late, or recorded and sent again. */
  PAST_RING: 18,
  /** A message in a packet has a malformed group header, or is longer than any node could hold; only counted. */
  BAD_MESSAGE: 19,
  /** A whole packet that continues what this node has not got the beginning of (totem.md 5.3); only counted. */
  THROWN_AWAY: 20,
  /** Of a node that a member of this ring does not hear: no ring of all is possible now. */
  UNHEARD: 21,
  /** Of a node outside of the ring, before all members are known to be operational: it is met when it is heard again. */
  TOO_EARLY: 22,
} as const;
export type TotemDropReason = (typeof TotemDrop)[keyof typeof TotemDrop];
export const DROP_NAMES = Object.keys(TotemDrop) as readonly (keyof typeof TotemDrop)[];
export const DROP_REASONS = DROP_NAMES.length;
