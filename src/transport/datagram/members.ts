import type { LinkConfig, MemberConfig, TotemConfig } from '../../config/totem-config.ts';
import type { Arena } from '../../os/arena.ts';
import { encodeSockaddr, parseIp, SOCKADDR_IN_BYTES, SOCKADDR_IN6_BYTES } from '../../os/sockaddr.ts';
import { TOTEM_LIMITS } from '../../totem/limits.ts';
import type { LinkStatus } from '../transport.ts';
import type { Destinations } from './send-batch.ts';

const STRIDE_BYTES = 32;
const NONE = -1;

/**
 * The members' socket addresses in the arena, those of the others first, back to back, so that a multicast is one message to each.
 * Node ids are looked up in a small array: rings are small.
 */
export class MemberAddresses implements Destinations {
  readonly first: number;
  readonly strideBytes = STRIDE_BYTES;
  /** Members other than this node that have an address. */
  count = 0;
  nameBytes = SOCKADDR_IN_BYTES;
  private nodeIds: number[] = [];
  private addresses: Uint8Array[] = [];
  /** When a datagram came from there last, by index of `addresses`; 0: none has. */
  private heardMs = new Float64Array();
  /** Whose `addresses` they are, this node's own included. */
  private owners: number[] = [];
  private readonly v6: boolean;

  constructor(
    private readonly arena: Arena,
    private readonly nodeId: number,
    family: 4 | 6,
  ) {
    this.first = arena.allocate(TOTEM_LIMITS.processorsMax * STRIDE_BYTES, 64);
    this.v6 = family === 6;
    this.nameBytes = this.v6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES;
  }

  /** Sockets that are opened again have the same members: when each was heard last stays known. */
  set(members: readonly MemberConfig[], port: number, interfaceIndex: number): void {
    const heardBefore = members.map(({ nodeId }) => this.heardAt(nodeId));
    this.nodeIds = [];
    this.addresses = [];
    this.owners = [];
    this.heardMs = new Float64Array(members.length);
    for (const [index, { nodeId, addresses }] of members.entries()) {
      const bytes = parseIp(addresses[0] ?? '');
      if (bytes === null || (bytes.length === 16) !== this.v6) continue;
      this.addresses.push(bytes);
      this.heardMs[this.owners.length] = heardBefore[index]!;
      this.owners.push(nodeId);
      if (nodeId === this.nodeId || this.nodeIds.includes(nodeId) || this.nodeIds.length === TOTEM_LIMITS.processorsMax)
        continue;
      const linkLocal = bytes.length === 16 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
      const at = this.first + this.nodeIds.length * STRIDE_BYTES;
      encodeSockaddr(this.arena.u8, at, bytes, port, linkLocal ? interfaceIndex : 0);
      this.nodeIds.push(nodeId);
    }
    this.count = this.nodeIds.length;
  }

  /** Where the socket address of a member lies; -1 for strangers and for this node. */
  nameOf(nodeId: number): number {
    const index = this.nodeIds.indexOf(nodeId);
    return index < 0 ? NONE : this.first + index * STRIDE_BYTES;
  }

  /** Whether the source address at `name` is a member's, whatever its port (totem.md 6.2, block_unlisted_ips): that member was heard. */
  hear(name: number, clock: { nowMs(): number }): boolean {
    for (let i = 0; i < this.addresses.length; i++) {
      if (!this.isAddress(name, this.addresses[i]!)) continue;
      this.heardMs[i] = clock.nowMs();
      return true;
    }
    return false;
  }

  /** When a member was heard last; 0: never. */
  heardAt(nodeId: number): number {
    return this.heardMs[this.owners.indexOf(nodeId)] ?? 0;
  }

  /** Whether the source address at `name` is that of this node. */
  isAddressOf(name: number, nodeId: number): boolean {
    for (let i = 0; i < this.owners.length; i++)
      if (this.owners[i] === nodeId && this.isAddress(name, this.addresses[i]!)) return true;
    return false;
  }

  private isAddress(name: number, address: Uint8Array): boolean {
    const { u8 } = this.arena;
    const at = name + (this.v6 ? 8 : 4);
    let byte = address.length - 1; // the last bytes differ most
    while (byte >= 0 && u8[at + byte] === address[byte]) byte--;
    return byte < 0;
  }
}

/** Differences between two member lists, for the log and for what a reload may not do (totem.md 6.5). */
export function compareMembers(
  before: readonly MemberConfig[],
  after: readonly MemberConfig[],
): {
  readonly added: readonly MemberConfig[];
  readonly removed: readonly MemberConfig[];
  readonly moved: readonly MemberConfig[];
  /** What is used from now on: a node keeps the address that it had. */
  readonly members: readonly MemberConfig[];
} {
  const find = (list: readonly MemberConfig[], id: number): MemberConfig | undefined =>
    list.find(({ nodeId }) => nodeId === id);
  const moved = after.filter(({ nodeId, addresses }) => {
    const old = find(before, nodeId)?.addresses[0];
    return old !== undefined && old !== null && old !== addresses[0];
  });
  return {
    added: after.filter(({ nodeId }) => find(before, nodeId) === undefined),
    removed: before.filter(({ nodeId }) => find(after, nodeId) === undefined),
    moved,
    members: after.map((member) => (moved.includes(member) ? (find(before, member.nodeId) ?? member) : member)),
  };
}

/** Without a heartbeat of its own the transport knows of its interface only: it is up to all members or to none. */
export function datagramLinkStatus(
  config: TotemConfig,
  link: LinkConfig,
  up: boolean,
  heard: Pick<MemberAddresses, 'heardAt'>,
): LinkStatus {
  const peers = config.members.map(({ nodeId, addresses }) => ({
    nodeId,
    address: addresses[0] ?? '',
    enabled: true,
    connected: up,
    mtu: config.netMtu,
    heardMs: heard.heardAt(nodeId),
  }));
  return { linkId: link.linkId, localAddress: link.bindAddress, up, peers };
}
