/**
 * How many packets of the send queue a message is charged with (totem.md 2.2, 5.6). The ring's thread and the main thread
 * both ask, so the rule stands here, below both.
 *
 * It is stock's estimate, not a count. In front of every message stands the name of its process group, one byte for the
 * services' "a": the packer, which has written the header, counts what it really is; who asks for a message that is still to
 * come adds the byte (`packetsForRequest`), or has added it (CPG's `hasRoom`).
 */
const ALLOWANCE_BYTES = 24;
/** The name "a" in front of what services multicast. */
export const GROUP_NAME_BYTES = 1;

/** Bytes that one packet is charged for, on a ring whose M (netmtu less the headers) is `mtu`. */
export const chargedBytes = (mtu: number): number => mtu - ALLOWANCE_BYTES;

/** Packets for `bytes`, the group name included; `packetBytes` is what `chargedBytes` returned. */
export const packetsFor = (bytes: number, packetBytes: number): number => Math.floor(bytes / packetBytes) + 1;

/** Packets for a service message of `bytes` that does not have its group name yet. */
export const packetsForRequest = (bytes: number, packetBytes: number): number =>
  packetsFor(bytes + GROUP_NAME_BYTES, packetBytes);
