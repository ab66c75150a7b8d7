import { chargedBytes, GROUP_NAME_BYTES, packetsFor } from '../lib/packet-charge.ts';
import type { ConfigurationChange } from '../lib/ring-id.ts';
import { Assembler } from './assembler.ts';
import { FlowLevel, type FlowLevelValue, nextLevel } from './flow-level.ts';
import { HalfSent } from './half-sent.ts';
import { GROUP_NAMES, Group, type TotemUser } from './interface.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { Packer } from './packer.ts';
import { type SrpOptions, TotemSrp } from './srp.ts';
import type { SrpUser } from './srp-user.ts';
import { Stat } from './statistics.ts';
import { GroupTable } from './wire/group-header.ts';

/** Assembly buffers take at most this share of the region; the rest holds frames. */
const ASSEMBLY_SHARE = 0.25;
/** Fewer buffers than this are not worth their place: the heap serves then. */
const ASSEMBLY_BUFFERS_MIN = 2;
const ASSEMBLY_BUFFERS_MAX = 64;

export type TotemOptions = SrpOptions & {
  readonly user: TotemUser;
  /** Names of process groups besides `Group`'s, for services that have one of their own; the first gets index 2. */
  readonly groups?: readonly string[];
};

/**
 * The process-group layer (totem.md 5) with the ring protocol under it: what a daemon, the simulator and the fuzzer run.
 *
 *   sending:    beginMessage() append() endMessage()   or   mcast()
 *   receiving:  TotemUser.deliver(), .configurationChange()
 */
export class ProcessGroups {
  readonly srp: TotemSrp;
  private readonly packer: Packer;
  private readonly assembler: Assembler;
  private readonly halfSent: HalfSent;
  private readonly user: TotemUser;
  /** Largest message that a reservation is given for (totem.md 2.2). */
  readonly messageBytesMax: number;
  private reserved = 1;
  private servicesHeld = false;
  /** Nodes have joined since application messages were last sent. */
  private nodesJoined = false;
  private flowLevel: FlowLevelValue = FlowLevel.GOOD;

  constructor(options: TotemOptions) {
    this.user = options.user;
    const share = Math.floor((options.regionBytes * ASSEMBLY_SHARE) / TOTEM_LIMITS.assemblyBytesMax);
    const buffers = share < ASSEMBLY_BUFFERS_MIN ? 0 : Math.min(share, ASSEMBLY_BUFFERS_MAX);
    const regionBytes = options.regionBytes - buffers * TOTEM_LIMITS.assemblyBytesMax;
    const groups = new GroupTable([...GROUP_NAMES, ...(options.groups ?? [])]);
    this.srp = new TotemSrp({ ...options, regionBytes }, this.asSrpUser());
    this.assembler = new Assembler(
      options.memory,
      groups,
      options.regionOffset + regionBytes,
      buffers * TOTEM_LIMITS.assemblyBytesMax,
      (group, nodeId, memory, offset, length, foreignEndian) =>
        this.user.deliver(group, nodeId, memory, offset, length, foreignEndian),
      (reason) => void this.srp.state.statistics.drop(reason),
    );
    const mtu = this.srp.state.mtu;
    this.packer = new Packer(this.srp, mtu, groups);
    this.halfSent = new HalfSent(this.srp, mtu);
    this.messageBytesMax = (this.srp.sendQueue.avail - 1) * chargedBytes(mtu);
    this.srp.state.statistics.set(Stat.msg_reserved, this.reserved);
  }

  private asSrpUser(): SrpUser {
    return {
      deliverPacket: (nodeId, offset, length, littleEndian) =>
        this.assembler.packet(nodeId, offset, length, littleEndian),
      configurationChange: (change) => this.configurationChange(change),
      sendsSoon: () => this.user.sendsSoon(),
      tokenReceived: () => this.packer.flush(false),
      tokenSent: () => this.user.tokenSent(),
      beforeQueueSwitch: () => this.beforeQueueSwitch(),
      switchAssembly: () => this.assembler.useTransitional(true),
      reserveRingSeq: (upTo) => this.user.reserveRingSeq(upTo),
    };
  }

  private configurationChange(change: ConfigurationChange): void {
    if (change.kind === 'transitional') this.assembler.forget(change.left);
    if (change.joined.length > 0) this.nodesJoined = true;
    this.user.configurationChange(change);
  }

  private beforeQueueSwitch(): void {
    this.packer.flush(true);
    this.halfSent.isolate(this.srp.state.transQueue);
    this.servicesHeld = false;
  }

  /**
   * Begins a message of `payloadBytes` for `group`. `false`: no room now, nothing was sent. After `true`, the payload
   * follows in any number of `append` calls, then `endMessage`; the bytes go straight into the packet.
   */
  beginMessage(group: number, payloadBytes: number): boolean {
    if (this.servicesHeld && group !== Group.SYNC) return false;
    return this.packer.begin(group, payloadBytes);
  }

  append(source: Uint8Array, offset: number, length: number): void {
    this.packer.append(source, offset, length);
  }

  endMessage(): void {
    this.packer.end();
  }

  /** A message that lies in one piece. */
  mcast(group: number, source: Uint8Array, offset = 0, length = source.length - offset): boolean {
    if (!this.beginMessage(group, length)) return false;
    this.packer.append(source, offset, length);
    this.packer.end();
    return true;
  }

  /**
   * The last sync message of this round is queued: messages of the services are refused until the end of the round. One
   * that is sent in the transitional time and delivered after it lands, on all nodes, in the wrong assembly set; if this
   * node has an application message half sent, that one and this one are thrown away, by stock too (totem.md 5.3, 5.5).
   */
  holdServices(): void {
    if (this.srp.state.waitingTransAck) this.servicesHeld = true;
  }

  /**
   * All barriers of the services' synchronisation have passed: the normal queue and the normal assemblies serve again.
   * Called at the same place of the message stream on every node, from within `deliver` (totem.md 5.5).
   */
  synchronizationCompleted(): void {
    if (!this.srp.state.waitingTransAck) return;
    this.servicesHeld = false;
    this.packer.flush(true); // a message must not be split between the two queues
    if (this.nodesJoined) this.introduceNewcomers();
    this.srp.endTransitional();
    this.assembler.useTransitional(false);
  }

  /** A message that was half sent before nodes joined is for them, too. */
  private introduceNewcomers(): void {
    this.nodesJoined = false;
    const { newQueue } = this.srp.state;
    if (!this.halfSent.sendAgain(newQueue, this.assembler.unfinishedOf(this.srp.nodeId)))
      this.halfSent.isolate(newQueue);
  }

  /** Packets reserved for a client's request, 0 if there is no room now, -1 if it is too large (totem.md 5.6). */
  reserve(payloadBytes: number): number {
    const bytes = payloadBytes + GROUP_NAME_BYTES;
    if (bytes >= this.messageBytesMax) return -1;
    const packets = packetsFor(bytes, this.packetBytes);
    const granted = this.srp.sendQueue.avail >= packets ? packets : 0;
    this.setReserved(this.reserved + granted);
    return granted;
  }

  /** What one packet is charged for now (packet-charge.ts). */
  get packetBytes(): number {
    return this.packer.packetBytes;
  }

  /** The request was handled. */
  release(packets: number): void {
    this.setReserved(this.reserved - packets);
  }

  private setReserved(packets: number): void {
    this.reserved = packets;
    this.srp.state.statistics.set(Stat.msg_reserved, packets);
    this.updateLevel();
  }

  /** To be called every millisecond while the level is CRITICAL; otherwise each reservation does it. */
  updateLevel(): FlowLevelValue {
    const free = this.srp.sendQueue.avail - this.reserved;
    const used = 100 - Math.trunc((free * 100) / this.srp.sendQueue.capacity);
    this.flowLevel = nextLevel(this.flowLevel, used);
    return this.flowLevel;
  }

  /** Everything that was multicast has been handed to the network: an orderly stop waits for this. */
  get isDrained(): boolean {
    return this.packer.isEmpty && this.srp.state.newQueue.length === 0 && this.srp.state.transQueue.length === 0;
  }

  get level(): FlowLevelValue {
    return this.flowLevel;
  }
}
