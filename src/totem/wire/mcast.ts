import { FrameType, writeFrameHeader, writeU64 } from './header.ts';

/**
 * MCAST (totem.md 1.6), packed:
 *   0        13            17    21           25        37        41          45
 *   | header | system_from | seq | this_seqno | ring_id | node_id | guarantee | body …
 * A stored message keeps the bytes that were received, in the originator's byte order; so fields are read from the
 * frame where they are needed instead of being decoded into an object.
 */
export const MCAST_HEADER_BYTES = 45;
export const MCAST = {
  systemFrom: 13,
  seq: 17,
  thisSeqno: 21,
  ringRep: 25,
  ringSeq: 29,
  nodeId: 37,
  guarantee: 41,
  body: 45,
} as const;

/** What does not change until the message is numbered. */
export function writeMcastHeader(view: DataView, at: number, encapsulated: number, nodeId: number): void {
  writeFrameHeader(view, at, FrameType.MCAST, encapsulated, nodeId);
  view.setUint32(at + MCAST.systemFrom, nodeId, true);
  view.setUint32(at + MCAST.nodeId, 0, true);
  view.setUint32(at + MCAST.guarantee, 0, true);
}

/** Numbers a message when it is broadcast (totem.md 4.8 step 13). */
export function numberMcast(
  view: DataView,
  at: number,
  seq: number,
  thisSeqno: number,
  ringRep: number,
  ringSeq: number,
): void {
  view.setUint32(at + MCAST.seq, seq, true);
  view.setInt32(at + MCAST.thisSeqno, thisSeqno, true);
  view.setUint32(at + MCAST.ringRep, ringRep, true);
  writeU64(view, at + MCAST.ringSeq, ringSeq);
}
