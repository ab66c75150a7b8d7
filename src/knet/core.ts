import { assert } from '../lib/assert.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import { AddressTable } from './address.ts';
import type { CompressionProvider } from './compression.ts';
import type { KnetConfig, KnetLinkConfig } from './config.ts';
import { type CryptoSlot, CryptoSlots, type CryptoSuite } from './crypto.ts';
import type { KnetEffects } from './effects.ts';
import { Heartbeat } from './heartbeat.ts';
import { Host } from './host.ts';
import { HostTable } from './host-table.ts';
import type { KnetLayout } from './layout.ts';
import { Link } from './link.ts';
import { AssemblyPool } from './reassembly.ts';
import { Receiver } from './receiver.ts';
import type { RxBatch } from './rx-batch.ts';
import { Sender } from './sender.ts';
import {
  dropKeys,
  HANDLE_KEYS,
  HandleStat,
  LINK_KEYS,
  LinkStat,
  type StatAllocator,
  StatBlock,
  UNSET_MINIMUM,
} from './stats.ts';
import { TxQueue } from './tx-queue.ts';

export interface KnetCoreOptions {
  readonly memory: FrameMemory;
  readonly layout: KnetLayout;
  readonly effects: KnetEffects;
  readonly compression: CompressionProvider;
  readonly stats: StatAllocator;
  /** For queues that transmit threads look at, by queue. */
  readonly queueMemory?: readonly SharedArrayBuffer[];
}

/**
 * knet without sockets, clock and keys: hosts, links, messages. Time and packets come in, `KnetEffects` go out; sends are
 * queued until `flush`. The same object runs under the daemon, in simulations and under the fuzzer.
 *
 *      send ──> Sender ──> TxQueue ──flush──> seal, effects.transmit
 *                 ^ replies, PINGs
 *   receive ──> Receiver ──> Heartbeat (PING, PONG, PMTUD)
 *                 └─ window, reassembly, expand ──> effects.deliver
 */
export class KnetCore {
  readonly addresses = new AddressTable();
  readonly slots = new CryptoSlots();
  readonly hosts = new HostTable();
  /** The first is filled first. */
  readonly queues: readonly TxQueue[];
  private readonly pool: AssemblyPool;
  private readonly sender: Sender;
  private readonly receiver: Receiver;
  private readonly heartbeat: Heartbeat;
  private readonly handleStats: StatBlock;
  private readonly dropStats: StatBlock;
  private readonly statAllocator: StatAllocator;
  private readonly effects: KnetEffects;
  private config: KnetConfig | null = null;

  constructor(options: KnetCoreOptions) {
    const { memory, layout, effects, compression, stats } = options;
    assert(memory.bytes.length >= layout.end, 'the layout lies in the memory');
    this.statAllocator = stats;
    this.effects = effects;
    this.handleStats = new StatBlock(stats, 'stats.knet.handle', HANDLE_KEYS);
    this.dropStats = new StatBlock(stats, 'rondo.dropped.knet', dropKeys());
    this.clearHandleStats();
    const { txAt, txBytes, txQueues } = layout;
    this.queues = Array.from(
      { length: txQueues },
      (_, i) => new TxQueue(memory, txAt + i * txBytes, txBytes, options.queueMemory?.[i]),
    );
    const [queue] = this.queues;
    assert(queue !== undefined, 'there is a queue');
    this.pool = new AssemblyPool(memory, layout.assemblyAt, layout.assemblyBuffers);
    this.sender = new Sender(
      { memory, stagingAt: layout.stagingAt, compression },
      queue,
      this.hosts,
      this.slots,
      effects,
      this.handleStats,
    );
    this.heartbeat = new Heartbeat(memory, layout.probeAt, this.hosts, this.slots, this.sender, effects);
    this.receiver = new Receiver(
      {
        memory,
        scratchDelta: layout.scratchDelta,
        expandAt: layout.expandAt,
        expandRoom: layout.expandBytes,
        compression,
      },
      this.hosts,
      this.slots,
      effects,
      this.heartbeat,
      this.handleStats,
      this.dropStats,
    );
  }

  /** Payload bytes of a fragment at this moment. */
  get dataMtu(): number {
    return this.sender.dataMtu;
  }
  /** Number of the newest message sent. */
  get seq(): number {
    return this.sender.seq;
  }

  // ---- configuration ----

  /**
   * The first configuration or a new one: the difference is applied in stock's order (knet.md 7.5): links removed, links
   * added, then the values of all. A link whose address changed is a removed and an added one. `link_mode` stays what it
   * was at the start, as in stock.
   */
  configure(config: KnetConfig, nowMs: number): void {
    const first = this.config === null;
    this.config = config;
    this.sender.nodeId = config.nodeId;
    this.receiver.nodeId = config.nodeId;
    this.receiver.configure(config);
    this.sender.compression = config.compression;
    this.receiver.ownModel = config.compression.method;
    if (first) this.sender.policy = config.policy;
    this.removeMissing(config, nowMs);
    for (const wanted of config.hosts) {
      assert(wanted.nodeId !== config.nodeId, 'the own node is no host here');
      let host = this.hosts.find(wanted.nodeId);
      if (host === null) {
        host = new Host(wanted.nodeId, this.pool);
        this.hosts.add(host);
      }
      for (const link of wanted.links) this.setLink(host, link, nowMs);
      this.heartbeat.linksChanged(host);
    }
    this.pool.setHostCount(this.hosts.list.length);
    this.heartbeat.configure(config);
    for (const link of this.hosts.links) if (link !== null) this.heartbeat.updateLinkMtu(link);
    this.heartbeat.updateDataMtu();
    this.heartbeat.deadlinesChanged = true;
  }

  private removeMissing(config: KnetConfig, nowMs: number): void {
    for (const host of [...this.hosts.list]) {
      const wanted = config.hosts.find((candidate) => candidate.nodeId === host.nodeId);
      for (const link of host.links) {
        if (link === null) continue;
        const same = wanted?.links.find((candidate) => candidate.linkId === link.linkId);
        if (same !== undefined && this.addresses.intern(same.remote) === link.addressId) continue;
        this.flush();
        this.heartbeat.linkDown(link, nowMs, 'removed');
        link.stats.set(LinkStat.enabled, 0);
        host.links[link.linkId] = null;
        this.hosts.links[link.index] = null;
      }
      if (wanted === undefined || host.links.every((link) => link === null)) {
        host.wipe();
        this.heartbeat.endSilence(host);
        this.hosts.remove(host);
      }
    }
  }

  private setLink(host: Host, config: KnetLinkConfig, nowMs: number): void {
    const old = host.links[config.linkId] ?? null;
    if (old !== null) {
      old.config = config;
      return;
    }
    const index = this.hosts.freeLinkIndex();
    const block = new StatBlock(this.statAllocator, `stats.knet.node${host.nodeId}.link${config.linkId}`, LINK_KEYS);
    const link = new Link(host, config, this.addresses.intern(config.remote), index, block, nowMs);
    host.links[config.linkId] = link;
    this.hosts.links[index] = link;
    for (const queue of this.queues) queue.reserveLinks(this.hosts.links.length);
    this.heartbeat.updateLinkMtu(link);
  }

  // ---- crypto (knet.md 5.4) ----

  /** Loads a configuration for receiving; sending goes on with the one in use. */
  loadCrypto(slot: 1 | 2, suite: CryptoSuite | null): void {
    this.flush();
    this.slots.put(slot, suite);
    for (const host of this.hosts.list) host.cryptoSlot = -1;
    this.cryptoChanged();
  }

  /** Sends with another configuration from now on. What is queued still goes out under the old one. */
  useCrypto(slot: CryptoSlot): void {
    this.flush();
    this.slots.use(slot);
    this.cryptoChanged();
  }

  allowClear(allowed: boolean): void {
    this.slots.clearAllowed = allowed;
  }

  private cryptoChanged(): void {
    for (const link of this.hosts.links) {
      if (link === null) continue;
      if (link.connected) link.pathMtu.force();
      this.heartbeat.updateLinkMtu(link);
    }
    this.heartbeat.updateDataMtu();
    this.heartbeat.deadlinesChanged = true;
  }

  // ---- traffic ----

  /**
   * Queues a message for one node or, with target 0, for all. `false`: nobody is reachable (knet.md 2.1). One that was sent `repeat` times before
   * takes the link that many places after the one that the policy would take.
   */
  send(from: FrameMemory, offset: number, length: number, target: number, repeat = 0): boolean {
    return this.sender.send(from, offset, length, target, repeat);
  }

  /** Queues an Ethernet frame, as `send`. */
  sendFrame(from: FrameMemory, offset: number, length: number, target: number): boolean {
    return this.sender.sendFrame(from, offset, length, target);
  }

  /** Whether frames of others are wanted: `effects.frame`. */
  takeFrames(wanted: boolean): void {
    this.receiver.takesFrames = wanted;
  }

  /** A message to all that was sent before and did not reach everybody: on other links, `copies` times each packet. */
  resend(from: FrameMemory, offset: number, length: number, copies: number): boolean {
    return this.sender.resend(from, offset, length, copies);
  }

  /** Whether packets that nothing opens are kept for a key that is being loaded (knet.md 5.4). */
  awaitKey(waiting: boolean): void {
    this.receiver.awaitKey = waiting;
  }

  /** The last batch stopped at such a packet: hand it in again when the key is there, or when it took too long. */
  get waitsForKey(): boolean {
    return this.receiver.waiting;
  }

  /** A batch of datagrams, in order. Replies are queued: flush afterwards. */
  receive(batch: RxBatch, nowMs: number): void {
    this.receiver.receive(batch, nowMs);
    if (this.receiver.slotsMoved) this.reportSlots();
  }

  flush(): void {
    this.sender.flush();
  }

  /** What `handOver` gave away was sealed, so many packets in so many nanoseconds. */
  noteSealed(packets: number, ns: number): void {
    this.sender.noteSealed(packets, ns);
  }

  /** Every host that we talk to sends with one configuration that is not ours: it is safe to send with it. */
  private reportSlots(): void {
    this.receiver.slotsMoved = false;
    let slot = -1;
    for (const host of this.hosts.list) {
      if (!host.reachable) continue;
      if (host.cryptoSlot < 0 || (slot >= 0 && host.cryptoSlot !== slot)) return;
      slot = host.cryptoSlot;
    }
    if ((slot === 0 || slot === 1 || slot === 2) && slot !== this.slots.inUseSlot) {
      this.effects.report({ kind: 'peersUseSlot', slot });
    }
  }

  /** The kernel reported that a peer's address does not answer on a link (ICMP); `refused`: that nobody listens on its port. */
  linkError(linkIndex: number, refused: boolean, nowMs: number): void {
    const link = this.hosts.links[linkIndex] ?? null;
    if (link !== null) this.heartbeat.suspect(link, refused, nowMs);
  }

  /** PINGs to a host on all its links, unless some have just left. */
  probeHost(nodeId: number, nowMs: number): void {
    const host = this.hosts.find(nodeId & 0xffff);
    if (host !== null) this.heartbeat.probeHost(host, nowMs);
  }

  /** ICMP says that packets were too big, or the kernel refused one. */
  pathTooSmall(linkIndex: number): void {
    const link = this.hosts.links[linkIndex] ?? null;
    if (link === null) return;
    link.largeSent = true;
    link.pathMtu.doubt();
    this.heartbeat.deadlinesChanged = true;
  }

  // ---- clock ----

  tick(nowMs: number): void {
    if (nowMs < this.nextDeadlineMs(nowMs)) return;
    this.heartbeat.tick(nowMs);
  }

  /** When `tick` has something to do. */
  nextDeadlineMs(nowMs: number): number {
    return this.heartbeat.deadlineMs(nowMs);
  }

  // ---- statistics ----

  private clearHandleStats(): void {
    this.handleStats.clear();
    for (const key of MINIMA) this.handleStats.set(key, UNSET_MINIMUM);
  }

  /** Forgets every key. */
  close(): void {
    this.flush();
    this.slots.wipeAll();
  }
}

const MINIMA = [
  HandleStat.tx_compress_time_min,
  HandleStat.rx_compress_time_min,
  HandleStat.tx_crypt_time_min,
  HandleStat.rx_crypt_time_min,
];
