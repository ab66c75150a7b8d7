/**
 * Packet of the process-group layer, the body of an ordinary MCAST (totem.md 5.1):
 *   0         2      4            5              6           8            8+2k
 *   | version | type | fragmented | continuation | msg_count | msg_len[k] | the pieces, back to back |
 */
export const PG_HEADER_BYTES = 8;
export const PG = { version: 0, type: 2, fragmented: 4, continuation: 5, msgCount: 6, lengths: 8 } as const;

/** Sum of the pieces if the packet is exactly as long as it says (totem.md trap 43), else -1. */
export function checkPacket(view: DataView, at: number, length: number, littleEndian: boolean): number {
  if (length < PG_HEADER_BYTES) return -1;
  const count = view.getUint16(at + PG.msgCount, littleEndian);
  if (length < PG_HEADER_BYTES + 2 * count) return -1;
  if (count === 0 && view.getUint8(at + PG.fragmented) !== 0) return -1;
  let total = 0;
  for (let i = 0; i < count; i++) total += view.getUint16(at + PG.lengths + 2 * i, littleEndian);
  return length === PG_HEADER_BYTES + 2 * count + total ? total : -1;
}

export function writePacketHeader(
  view: DataView,
  at: number,
  fragmented: number,
  continuation: number,
  count: number,
): void {
  view.setInt16(at + PG.version, 0, true);
  view.setInt16(at + PG.type, 0, true);
  view.setUint8(at + PG.fragmented, fragmented);
  view.setUint8(at + PG.continuation, continuation);
  view.setUint16(at + PG.msgCount, count, true);
}
