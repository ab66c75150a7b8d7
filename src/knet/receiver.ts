import type { FrameMemory } from '../lib/frame-memory.ts';
import { Compression, type CompressionProvider } from './compression.ts';
import { INTERNAL_BIT, KNET, KNET_LIMITS, PacketType } from './constants.ts';
import { CLEAR_SLOT, type CryptoSlot, type CryptoSlots, type CryptoSuite, OpenFailure } from './crypto.ts';
import { readChannel, readCompress, readDataSeq, readFragNum, readFragSeq } from './data-packet.ts';
import { KnetDrop, type KnetDropReason } from './drops.ts';
import type { KnetEffects } from './effects.ts';
import { ETHER_CHANNEL, EtherTarget, etherTarget } from './ether.ts';
import { ExpandBudget } from './expand-budget.ts';
import { readNode, readType, readVersion } from './header.ts';
import type { Host } from './host.ts';
import type { HostTable } from './host-table.ts';
import type { Link } from './link.ts';
import { readLink } from './ping-packet.ts';
import { Fragment } from './reassembly.ts';
import type { RxBatch } from './rx-batch.ts';
import { HandleStat, LinkStat, type StatBlock } from './stats.ts';
import { Verdict } from './window.ts';

/** Offset of target_nodeid in the Totem header, and the header's length (knet.md 7.1). */
const TARGET_OFFSET = 9;
const TOTEM_HEADER_BYTES = 13;
const NOT_A_PACKET = -1;

/** What the receiver leaves to the rest of the core: the packets that knet sends to itself. */
export interface InternalPackets {
  internal(host: Host, link: Link, type: number, at: number, length: number, nowMs: number): KnetDropReason | -1;
  /** DATA arrived on a link that is not up although it answers PINGs (knet.md 2.2 step 1). */
  raiseLink(link: Link, nowMs: number): void;
}

export interface ReceiverSettings {
  /** Internal packets only from the claimed link's address (knet.md 3.6). DATA always is checked. */
  readonly blockUnlistedIps: boolean;
}

export interface ReceiverOptions {
  readonly memory: FrameMemory;
  readonly scratchDelta: number;
  readonly expandAt: number;
  readonly expandRoom: number;
  readonly compression: CompressionProvider;
}

/** The way of a packet from the socket to Totem: knet.md 1.6 and 2.2, in that order of checks. */
export class Receiver {
  nodeId = 0;
  /** Compression method of the configuration, 0 for none. */
  ownModel = 0;
  private blockUnlistedIps = true;
  /** There is a device for Ethernet frames. */
  takesFrames = false;
  /**
   * A new key is on its way (knet.md 5.4): a packet that no loaded configuration opens is not dropped, the batch waits there,
   * `waiting`, until the caller goes on.
   */
  awaitKey = false;
  waiting = false;
  /** A host was heard under another configuration than before, while one replaces another. */
  slotsMoved = false;

  private readonly expandAll = new ExpandBudget(KNET_LIMITS.expandOwnModelMs.all);
  private readonly expandOther = new ExpandBudget(KNET_LIMITS.expandOtherModelsMs.all);

  constructor(
    private readonly options: ReceiverOptions,
    private readonly hosts: HostTable,
    private readonly slots: CryptoSlots,
    private readonly effects: KnetEffects,
    private readonly internals: InternalPackets,
    private readonly handleStats: StatBlock,
    private readonly dropStats: StatBlock,
  ) {}

  configure({ blockUnlistedIps }: ReceiverSettings): void {
    this.blockUnlistedIps = blockUnlistedIps;
  }

  /** Handles a batch in order. Nothing is looked at before it is authentic (knet.md trap 16). */
  receive(batch: RxBatch, nowMs: number): void {
    const inUse = this.slots.inUse;
    const first = inUse ?? this.slots.other;
    this.waiting = false;
    if (first === null) this.passClear(batch);
    else this.openBatch(first, batch);
    while (batch.next < batch.count) {
      const i = batch.next++; // taken first: what it causes may throw away the rest of the batch
      const length = batch.plainLength[i]!;
      if (length < 0) {
        // Strangers' junk must not hold up the ring for as long as the key is on its way.
        if (this.awaitKey && batch.source[i] !== 0) {
          batch.next = i;
          this.waiting = true;
          return;
        }
        this.drop(failureReason(length), batch.tag[i]!, 0, batch.length[i]!);
        continue;
      }
      const at = batch.plainOffset[i]!;
      const reason = this.packet(at, length, batch.source[i]!, this.print(batch, i), nowMs);
      if (reason >= 0) {
        const node = length >= KNET.packetBytesMin ? readNode(this.options.memory, at) : 0;
        this.drop(reason, batch.tag[i]!, node, length);
      }
    }
  }

  /** Four bytes of the packet's digest, never 0; 0 for a packet in clear. */
  private print(batch: RxBatch, i: number): number {
    const length = batch.length[i]!;
    if (batch.plainLength[i] === length) return 0;
    return this.options.memory.view.getInt32(batch.offset[i]! + length - 4, true) || 1; // signed: no box
  }

  private passClear(batch: RxBatch): void {
    const allowed = this.slots.clearAllowed;
    for (let i = batch.next; i < batch.count; i++) {
      batch.plainOffset[i] = batch.offset[i]!;
      batch.plainLength[i] = allowed ? batch.length[i]! : CLEAR_REFUSED;
    }
  }

  private openBatch(first: CryptoSuite, batch: RxBatch): void {
    const startMs = this.effects.clockMs();
    const start = batch.next;
    first.open(batch, start, batch.count - start, this.options.scratchDelta);
    const second = this.slots.other;
    const rekeying = (second !== null && second !== first) || this.slots.clearAllowed;
    if (rekeying) for (let i = start; i < batch.count; i++) this.tryOthers(first, batch, i);
    let opened = 0;
    for (let i = start; i < batch.count; i++) if (batch.plainLength[i]! >= 0) opened++;
    this.measure(startMs, opened);
  }

  /**
   * While a configuration is being replaced a packet may be of the other one, or clear text. Two configurations with one
   * key and one hash authenticate each other's packets; then only the decrypted header tells them apart.
   */
  private tryOthers(first: CryptoSuite, batch: RxBatch, i: number): void {
    const slot = this.findSlot(first, batch, i);
    if (slot < 0) return;
    const host = this.hosts.find(readNode(this.options.memory, batch.plainOffset[i]!));
    if (host === null || host.cryptoSlot === slot) return;
    host.cryptoSlot = slot;
    this.slotsMoved = true;
  }

  /** Opens a packet with whichever configuration fits; its slot, or −1. `first` has been tried. */
  private findSlot(first: CryptoSuite, batch: RxBatch, i: number): CryptoSlot | -1 {
    const { slots } = this;
    if (this.plausible(batch, i)) return slots.slotOf(first);
    const failure = batch.plainLength[i]!;
    for (const suite of [slots.other, slots.third]) {
      if (suite === null || suite === first) continue;
      suite.open(batch, i, 1, this.options.scratchDelta);
      if (this.plausible(batch, i)) return slots.slotOf(suite);
    }
    if (slots.clearAllowed) {
      batch.plainOffset[i] = batch.offset[i]!;
      batch.plainLength[i] = batch.length[i]!;
      if (this.plausible(batch, i)) return CLEAR_SLOT;
    }
    batch.plainLength[i] = failure < 0 ? failure : OpenFailure.AUTHENTICATION;
    return -1;
  }

  private plausible(batch: RxBatch, i: number): boolean {
    if (batch.plainLength[i]! < KNET.packetBytesMin) return false;
    const memory = this.options.memory;
    const at = batch.plainOffset[i]!;
    return readVersion(memory, at) === KNET.wireVersion && this.hosts.find(readNode(memory, at)) !== null;
  }

  private measure(startMs: number, packets: number): void {
    if (packets === 0) return;
    const ns = Math.round(((this.effects.clockMs() - startMs) * 1e6) / packets);
    const stats = this.handleStats;
    stats.sample(HandleStat.rx_crypt_time_min, ns, packets, stats.get(HandleStat.rx_crypt_packets));
    stats.add(HandleStat.rx_crypt_packets, packets);
  }

  private drop(reason: KnetDropReason, tag: number, nodeId: number, length: number): void {
    this.dropStats.add(reason, 1);
    this.effects.dropped(reason, tag, nodeId, length);
  }

  /** Returns a drop reason, or −1. */
  private packet(at: number, length: number, source: number, print: number, nowMs: number): KnetDropReason | -1 {
    const memory = this.options.memory;
    if (length < KNET.packetBytesMin) return KnetDrop.short;
    if (readVersion(memory, at) !== KNET.wireVersion) return KnetDrop.version;
    const nodeId = readNode(memory, at);
    if (nodeId === this.nodeId) return KnetDrop.ownId;
    const host = this.hosts.find(nodeId);
    if (host === null) return KnetDrop.unknownHost;
    const type = readType(memory, at);
    if ((type & INTERNAL_BIT) === 0) {
      if (type !== PacketType.DATA) return KnetDrop.unknownType;
      return this.data(host, at, length, source, print, nowMs);
    }
    // Checked here for every type, so that no handler reads past the end (stock does not: knet.md 1.6, trap 17).
    const minimum = minimumLength(type);
    if (minimum === NOT_A_PACKET) return KnetDrop.unknownType;
    if (length < minimum) return KnetDrop.badLength;
    const linkId = readLink(memory, at);
    const link = linkId < KNET.linksMax ? host.links[linkId]! : null;
    if (link === null) return KnetDrop.badLink;
    if (this.blockUnlistedIps && link.addressId !== source) return KnetDrop.sourceAddress;
    link.stats.set(LinkStat.heard_ms, nowMs);
    return this.internals.internal(host, link, type, at, length, nowMs);
  }

  private data(
    host: Host,
    at: number,
    length: number,
    source: number,
    print: number,
    nowMs: number,
  ): KnetDropReason | -1 {
    const memory = this.options.memory;
    const link = host.linkByAddress(source);
    if (link === null) return KnetDrop.sourceAddress;
    if (length <= KNET.dataHeaderBytes) return KnetDrop.badLength;
    link.stats.add(LinkStat.rx_data_packets, 1);
    link.stats.add(LinkStat.rx_data_bytes, length);
    link.stats.set(LinkStat.heard_ms, nowMs);
    if (!host.reachable) {
      if (!link.hasPong) return KnetDrop.notReachable;
      this.internals.raiseLink(link, nowMs);
    }
    const fragNum = readFragNum(memory, at);
    const fragSeq = readFragSeq(memory, at);
    if (fragNum === 0 || fragNum > KNET.fragmentsMax) return KnetDrop.badFragment;
    if (fragNum === 1 ? fragSeq > 1 : fragSeq < 1 || fragSeq > fragNum) return KnetDrop.badFragment;
    const channel = readChannel(memory, at);
    if (channel !== 0 && !(channel === ETHER_CHANNEL && this.takesFrames)) return KnetDrop.channel;
    const seq = readDataSeq(memory, at);
    if (seq === 0) return KnetDrop.badFragment;
    host.dataSinceTimed = true;
    host.dataSinceUntimed = true;
    const verdict = host.window.judge(seq, print);
    if (verdict === Verdict.DUPLICATE) return KnetDrop.duplicate;
    if (verdict === Verdict.STALE) return KnetDrop.stale;
    if (fragNum === 1) {
      const payload = length - KNET.dataHeaderBytes;
      return this.message(host, seq, print, channel, readCompress(memory, at), at + KNET.dataHeaderBytes, payload);
    }
    return this.fragment(host, seq, print, fragNum, fragSeq, at, length);
  }

  private fragment(
    host: Host,
    seq: number,
    print: number,
    fragNum: number,
    fragSeq: number,
    at: number,
    length: number,
  ): KnetDropReason | -1 {
    if (print !== 0 && host.window.knowsFragment(seq, fragSeq, print)) return KnetDrop.duplicate;
    const memory = this.options.memory;
    const reassembler = host.reassembler;
    let buffer = reassembler.find(seq);
    if (buffer !== null && print !== 0 && fragSeq === 1 && buffer.firstPrint !== print) {
      // Another message of this number: one of the two is recorded. Their fragments must not become one message.
      reassembler.finish(buffer);
      buffer = null;
    }
    if (buffer === null) {
      // Its buffer was there once: the message is complete, or was given up (knet.md 2.4). A sealed one begins with its first fragment.
      if (print === 0 ? host.window.wasAssembled(seq) : fragSeq !== 1) return KnetDrop.lateFragment;
      reassembler.expire(host.window.newest);
      buffer = reassembler.start(seq, fragNum);
      buffer.firstPrint = print;
      if (print === 0) host.window.markAssembled(seq);
    }
    const payload = at + KNET.dataHeaderBytes;
    const result = buffer.add(fragNum, fragSeq, memory, payload, length - KNET.dataHeaderBytes);
    if (result === Fragment.BAD) return KnetDrop.badFragment;
    if (result === Fragment.TAKEN) return -1;
    const { firstPrint, offset } = buffer;
    const method = readCompress(memory, at);
    const reason = this.message(host, seq, firstPrint, readChannel(memory, at), method, offset, buffer.length);
    reassembler.finish(buffer);
    return reason;
  }

  /** A complete message, compressed or not (knet.md 2.2 steps 4 to 6). */
  private message(
    host: Host,
    seq: number,
    print: number,
    channel: number,
    compress: number,
    at: number,
    length: number,
  ): KnetDropReason | -1 {
    let offset = at;
    let bytes = length;
    if (compress !== 0) {
      bytes = this.expand(host, compress, at, length);
      if (bytes === OVER_BUDGET) return KnetDrop.compressionBudget;
      if (bytes === Compression.UNKNOWN) return KnetDrop.compressionUnknown;
      if (bytes < 0) return KnetDrop.compressionCorrupt;
      offset = this.options.expandAt;
    }
    if (bytes > KNET.messageBytesMax) return KnetDrop.tooLong;
    if (channel === ETHER_CHANNEL) return this.frame(host, seq, print, offset, bytes);
    if (bytes >= TOTEM_HEADER_BYTES) {
      // In the sender's byte order, read raw: rings of mixed byte order do not work over knet (knet.md 7.2).
      const target = this.options.memory.view.getUint32(offset + TARGET_OFFSET, true);
      if (target !== 0 && target !== this.nodeId) return KnetDrop.foreignTarget;
    }
    host.window.markDelivered(seq, print);
    this.effects.deliver(this.options.memory, offset, bytes, host.nodeId);
    return -1;
  }

  private frame(host: Host, seq: number, print: number, offset: number, bytes: number): KnetDropReason | -1 {
    const target = etherTarget(this.options.memory, offset, bytes);
    if (target !== EtherTarget.EVERYBODY && target !== this.nodeId) return KnetDrop.foreignTarget;
    host.window.markDelivered(seq, print);
    this.effects.frame?.(offset, bytes);
    return -1;
  }

  private expand(host: Host, method: number, at: number, length: number): number {
    const { compression, memory, expandAt, expandRoom } = this.options;
    const startMs = this.effects.clockMs();
    const own = method === this.ownModel;
    const ofHost = own ? host.expandOwn : host.expandOther;
    if (!ofHost.admits(startMs) || !this.expandAll.admits(startMs)) return OVER_BUDGET;
    if (!own && !this.expandOther.admits(startMs)) return OVER_BUDGET;
    const result = compression.decompress(method, memory, at, length, expandAt, expandRoom);
    const spentMs = this.effects.clockMs() - startMs;
    ofHost.charge(spentMs);
    this.expandAll.charge(spentMs);
    if (!own) this.expandOther.charge(spentMs);
    if (result < 0) return result;
    const ns = Math.round(spentMs * 1e6);
    const stats = this.handleStats;
    stats.sample(HandleStat.rx_compress_time_min, ns, 1, stats.get(HandleStat.rx_compressed_packets));
    stats.add(HandleStat.rx_compressed_packets, 1);
    stats.add(HandleStat.rx_compressed_original_bytes, result);
    stats.add(HandleStat.rx_compressed_size_bytes, length);
    return result;
  }
}

const CLEAR_REFUSED = -3;
/** Beside the results of `Compression`. */
const OVER_BUDGET = -4;

function failureReason(failure: number): KnetDropReason {
  if (failure === OpenFailure.PADDING) return KnetDrop.padding;
  return failure === CLEAR_REFUSED ? KnetDrop.clearRefused : KnetDrop.authentication;
}

function minimumLength(type: number): number {
  switch (type) {
    case PacketType.PING:
    case PacketType.PONG:
      return KNET.pingBytes;
    case PacketType.PMTUD:
    case PacketType.PMTUD_REPLY:
      return KNET.pmtudBytes;
    default:
      return NOT_A_PACKET;
  }
}
