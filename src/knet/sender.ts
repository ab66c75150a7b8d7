import { assert } from '../lib/assert.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import type { LinkPolicy } from '../lib/knet-facts.ts';
import { type CompressionProvider, DEFAULT_THRESHOLD_BYTES } from './compression.ts';
import type { KnetCompressionConfig } from './config.ts';
import { KNET } from './constants.ts';
import type { CryptoSlots, PacketBatch } from './crypto.ts';
import { writeDataHeader } from './data-packet.ts';
import type { KnetEffects } from './effects.ts';
import { ETHER_CHANNEL } from './ether.ts';
import { turnIntoReply } from './header.ts';
import type { Host } from './host.ts';
import type { HostTable } from './host-table.ts';
import type { Link } from './link.ts';
import { type CryptoSizes, maxData, minimumData, wireLength } from './mtu.ts';
import { timeOnWireMs, writePing } from './ping-packet.ts';
import { nextSeq } from './sequence.ts';
import { HandleStat, LinkStat, type StatBlock } from './stats.ts';
import { RunKind, type TxQueue } from './tx-queue.ts';

const TARGET_OFFSET = 9;
const TOTEM_HEADER_BYTES = 13;

export interface SenderOptions {
  readonly memory: FrameMemory;
  /** Room for one message and its compressed form, 65536 bytes each. */
  readonly stagingAt: number;
  readonly compression: CompressionProvider;
}

/** Messages and knet's own packets into the transmit queue (knet.md 2.1). */
export class Sender {
  nodeId = 0;
  policy: LinkPolicy = 'passive';
  compression: KnetCompressionConfig = { method: 0, thresholdBytes: 0, level: 0 };
  /** Number of the newest message; 0 until the first, and it starts there in every process (knet.md 2.5). */
  seq = 0;
  /** How many times each packet of the message in hand goes out, beginning with the second link; 0: once, as the policy says. */
  private copies = 0;
  /** How often the message in hand was sent before. */
  private repeat = 0;
  /** Of the message in hand; 0: the ring's. */
  private channel = 0;
  /** Payload bytes of a fragment: the smallest over all links that are up (knet.md 4.4). */
  dataMtu: number;

  private readonly one: PacketBatch = {
    offset: new Int32Array(1),
    length: new Int32Array(1),
    plainOffset: new Int32Array(1),
    plainLength: new Int32Array(1),
  };

  constructor(
    private readonly options: SenderOptions,
    private queue: TxQueue,
    private readonly hosts: HostTable,
    private readonly slots: CryptoSlots,
    private readonly effects: KnetEffects,
    private readonly handleStats: StatBlock,
  ) {
    this.dataMtu = minimumData(slots.sizes);
  }

  /**
   * Queues one message; `target` 0 is everybody. The target is written into the packets, not into the caller's frame.
   * `false`: nobody there to send to; no number is used then. Sent `repeat` times before, it takes that many links further.
   */
  send(from: FrameMemory, offset: number, length: number, target: number, repeat = 0): boolean {
    if (length === 0 || length > KNET.messageBytesMax) return false;
    let host: Host | null = null;
    if (target !== 0) {
      host = this.hosts.find(target & 0xffff);
      if (host === null || !host.reachable) return false;
    } else if (this.hosts.reachable === 0) {
      return false;
    }
    let memory = from;
    let at = offset;
    let bytes = length;
    let method = 0;
    if (this.compression.method !== 0) {
      const threshold =
        this.compression.thresholdBytes === 0 ? DEFAULT_THRESHOLD_BYTES : this.compression.thresholdBytes;
      const packed = length > threshold ? this.compress(from, offset, length, target) : 0;
      if (packed > 0) {
        memory = this.options.memory;
        at = this.options.stagingAt + KNET.messageBytesMax;
        bytes = packed;
        method = this.compression.method;
      } else {
        this.handleStats.add(HandleStat.tx_uncompressed_packets, 1);
      }
    }
    this.seq = nextSeq(this.seq);
    if (this.seq % KNET.untimedPingEvery === 0) this.announceSeq();
    this.repeat = repeat;
    this.fragment(memory, at, bytes, target, host, method);
    this.repeat = 0;
    return true;
  }

  /**
   * As `send` to all, for what did not arrive the first time. The copies of a packet have one number, so a receiver, stock's too, drops
   * what it has; and each goes over the next link after the one that carried it first. That is what the policy `active` does all the time.
   */
  resend(from: FrameMemory, offset: number, length: number, copies: number): boolean {
    this.copies = copies;
    const sent = this.send(from, offset, length, 0);
    this.copies = 0;
    return sent;
  }

  /** As `send`, an Ethernet frame: no Totem header, in which a target could be written. */
  sendFrame(from: FrameMemory, offset: number, length: number, target: number): boolean {
    this.channel = ETHER_CHANNEL;
    const sent = this.send(from, offset, length, target);
    this.channel = 0;
    return sent;
  }

  private compress(from: FrameMemory, offset: number, length: number, target: number): number {
    const { memory, stagingAt, compression } = this.options;
    memory.bytes.set(from.bytes.subarray(offset, offset + length), stagingAt);
    if (this.channel === 0 && length >= TOTEM_HEADER_BYTES)
      memory.view.setUint32(stagingAt + TARGET_OFFSET, target, true);
    const { method, level } = this.compression;
    const startMs = this.effects.clockMs();
    const out = stagingAt + KNET.messageBytesMax;
    const packed = compression.compress(method, level, memory, stagingAt, length, out, length - 1);
    const ns = Math.round((this.effects.clockMs() - startMs) * 1e6);
    const stats = this.handleStats;
    stats.sample(HandleStat.tx_compress_time_min, ns, 1, stats.get(HandleStat.tx_compressed_packets));
    stats.add(HandleStat.tx_compressed_packets, 1);
    stats.add(HandleStat.tx_compressed_original_bytes, length);
    stats.add(HandleStat.tx_compressed_size_bytes, packed > 0 ? packed : length);
    return packed > 0 && packed < length ? packed : 0;
  }

  private fragment(
    from: FrameMemory,
    offset: number,
    length: number,
    target: number,
    only: Host | null,
    method: number,
  ): void {
    const sizes = this.slots.sizes;
    const mtu = this.dataMtu;
    const fragments = Math.ceil(length / mtu);
    assert(fragments <= KNET.fragmentsMax, 'the smallest data MTU is chosen so that every message fits');
    this.makeRoom(fragments, KNET.dataHeaderBytes + Math.min(mtu, length), sizes);
    const queue = this.queue;
    const own = this.options.memory;
    const first = queue.packetCount;
    const sameMemory = from.bytes === own.bytes;
    for (let i = 0, done = 0; i < fragments; i++, done += mtu) {
      const payload = Math.min(mtu, length - done);
      const plain = KNET.dataHeaderBytes + payload;
      const at = queue.append(plain, sizes);
      const fragSeq = fragments === 1 ? 0 : i + 1;
      writeDataHeader(own, at, this.nodeId, this.seq, method, target === 0, fragments, fragSeq, this.channel);
      const to = at + KNET.dataHeaderBytes;
      const source = offset + done;
      if (sameMemory) own.bytes.copyWithin(to, source, source + payload);
      else own.bytes.set(from.bytes.subarray(source, source + payload), to);
      if (this.channel === 0 && i === 0 && method === 0 && payload >= TOTEM_HEADER_BYTES) {
        own.view.setUint32(to + TARGET_OFFSET, target, true);
      }
    }
    queue.dataPackets += fragments;
    queue.dataPlainBytes += length + fragments * KNET.dataHeaderBytes;
    const wire = this.wireBytes(first);
    if (only !== null) this.routeTo(only, first, fragments, wire);
    else for (const host of this.hosts.list) if (host.reachable) this.routeTo(host, first, fragments, wire);
  }

  private wireBytes(first: number): number {
    let bytes = 0;
    for (let i = first; i < this.queue.packetCount; i++) bytes += this.queue.wireLength[i]!;
    return bytes;
  }

  private routeTo(host: Host, first: number, packets: number, wire: number): void {
    if (this.policy === 'active') {
      for (const link of host.usable) this.routeOver(link, first, packets, wire);
    } else if (this.copies > 0) {
      const links = host.usable;
      for (let copy = 1; copy <= this.copies; copy++) this.routeOver(links[copy % links.length]!, first, packets, wire);
    } else {
      const links = host.usable;
      const link = this.repeat > 0 ? links[this.repeat % links.length]! : host.linkForMessage(this.policy);
      this.routeOver(link, first, packets, wire);
    }
  }

  private routeOver(link: Link, first: number, packets: number, wire: number): void {
    this.queue.route(link.index, first, RunKind.DATA);
    link.stats.add(LinkStat.tx_data_packets, packets);
    link.stats.add(LinkStat.tx_data_bytes, wire);
    if (packets > 1 || wire > link.dataMtu >> 1) link.largeSent = true;
  }

  /** An untimed PING on every enabled link of every host, before the message (knet.md 2.1 step 8). */
  private announceSeq(): void {
    const nowMs = this.effects.clockMs();
    for (const link of this.hosts.links) if (link !== null) this.ping(link, nowMs, false);
  }

  ping(link: Link, nowMs: number, timed: boolean): void {
    const sizes = this.slots.sizes;
    this.makeRoom(1, KNET.pingBytes, sizes);
    const first = this.queue.packetCount;
    const at = this.queue.append(KNET.pingBytes, sizes);
    writePing(this.options.memory, at, this.nodeId, link.linkId, nowMs, this.seq, timed);
    link.pingWritten(timeOnWireMs(nowMs));
    this.queue.route(link.index, first, RunKind.PING);
    link.stats.add(LinkStat.tx_ping_packets, 1);
    link.stats.add(LinkStat.tx_ping_bytes, this.queue.wireLength[first]!);
  }

  /** Sends a received packet's first bytes back, as `type`. To the link's configured address, with the key in use (knet.md trap 3). */
  reply(link: Link, at: number, bytes: number, type: number): void {
    const sizes = this.slots.sizes;
    this.makeRoom(1, bytes, sizes);
    const first = this.queue.packetCount;
    const to = this.queue.append(bytes, sizes);
    this.options.memory.bytes.copyWithin(to, at, at + bytes);
    turnIntoReply(this.options.memory, to, type, this.nodeId);
    const kind = bytes === KNET.pingBytes ? RunKind.PONG : RunKind.PMTU;
    this.queue.route(link.index, first, kind);
    if (kind !== RunKind.PONG) return; // replies to PMTUD are not counted (knet.md 7.7)
    link.stats.add(LinkStat.tx_pong_packets, 1);
    link.stats.add(LinkStat.tx_pong_bytes, this.queue.wireLength[first]!);
  }

  /** Hands everything queued to the kernel, or to a thread that does. */
  flush(): void {
    const queue = this.queue;
    if (queue.empty) {
      if (queue.packetCount > 0) queue.reset();
      return;
    }
    const suite = this.slots.inUse;
    const next = this.effects.handOver?.(queue, suite) ?? null;
    if (next !== null) {
      this.noteOverhead(queue);
      queue.reset();
      this.queue = next;
      return;
    }
    if (suite !== null) {
      const startMs = queue.dataPackets > 0 ? this.effects.clockMs() : 0;
      queue.seal(suite);
      this.noteSealed(queue.packetCount, queue.dataPackets > 0 ? (this.effects.clockMs() - startMs) * 1e6 : 0);
      this.noteOverhead(queue);
    }
    this.effects.transmit(queue);
    queue.reset();
  }

  /** Seals one packet outside of the queue, in place; returns its sealed length. */
  sealOne(at: number, plainBytes: number): number {
    const suite = this.slots.inUse;
    if (suite !== null) {
      const one = this.one;
      one.offset[0] = at;
      one.length[0] = plainBytes;
      suite.seal(one, 0, 1);
      this.handleStats.add(HandleStat.tx_crypt_packets, 1);
    }
    return wireLength(this.slots.sizes, plainBytes);
  }

  /** So many packets were sealed, in `ns` nanoseconds together; 0: nobody looked. */
  noteSealed(packets: number, ns: number): void {
    const stats = this.handleStats;
    const before = stats.get(HandleStat.tx_crypt_packets);
    stats.add(HandleStat.tx_crypt_packets, packets);
    if (ns > 0) stats.sample(HandleStat.tx_crypt_time_min, Math.round(ns / packets), packets, before);
  }

  /** What crypto adds to the messages. */
  private noteOverhead(queue: TxQueue): void {
    if (queue.dataPackets === 0 || this.slots.inUse === null) return;
    let wire = 0;
    for (let i = 0; i < queue.packetCount; i++) wire += queue.wireLength[i]!;
    this.handleStats.add(HandleStat.tx_crypt_byte_overhead, Math.max(0, wire - queue.dataPlainBytes));
  }

  private makeRoom(packets: number, plainBytes: number, sizes: CryptoSizes): void {
    const routes = (this.hosts.links.length + 1) * Math.max(1, this.copies);
    if (this.queue.fits(packets, plainBytes, sizes, routes)) return;
    this.flush();
    assert(this.queue.fits(packets, plainBytes, sizes, routes), 'one message fits an empty queue');
  }
}

/** Smallest queue that holds any message: 254 fragments of the smallest size, or two of the largest. */
export const txQueueBytes = (sizes: CryptoSizes): number =>
  KNET.fragmentsMax * wireLength(sizes, KNET.dataHeaderBytes + minimumData(sizes)) +
  4 * maxData(sizes, KNET.datagramBytesMax);
