import type { LinkConfig, TotemConfig } from '../../config/totem-config.ts';
import { compressionMethod } from '../../knet/compression.ts';
import { KnetCore } from '../../knet/core.ts';
import { CLEAR_SLOT } from '../../knet/crypto.ts';
import { dropName, KnetDrop, type KnetDropReason } from '../../knet/drops.ts';
import type { KnetEffects, KnetReport } from '../../knet/effects.ts';
import { type KnetLayout, type KnetLayoutOptions, knetLayout } from '../../knet/layout.ts';
import type { Link } from '../../knet/link.ts';
import { RxBatch } from '../../knet/rx-batch.ts';
import { LINK_KEYS, LinkStat, StatBlock, UNSET_MINIMUM } from '../../knet/stats.ts';
import { assert } from '../../lib/assert.ts';
import { dropKey } from '../../lib/drop-key.ts';
import type { FrameMemory } from '../../lib/frame-memory.ts';
import { monotonicMs } from '../../os/clock.ts';
import { closeFd } from '../../os/fd.ts';
import { decodeSockaddr, encodeSockaddr, SOCKADDR_BYTES_MAX } from '../../os/sockaddr.ts';
import { FrameClass, type FrameClassValue } from '../../totem/interface.ts';
import { ANYBODY, directSender } from '../../totem/wire/direct-sender.ts';
import { DRAIN_FRAMES_MAX } from '../datagram/drain.ts';
import { transportDrop } from '../drops.ts';
import { LoopbackQueue } from '../loopback-queue.ts';
import {
  countOne,
  type LinkStatus,
  type RingKeys,
  type RingTransport,
  type StatCounter,
  type TransportHost,
} from '../transport.ts';
import { CryptoPhases } from './crypto-phases.ts';
import { OpensslProvider } from './crypto-provider.ts';
import { DropLog } from './drop-log.ts';
import { ErrorQueue } from './error-queue.ts';
import { HostStats } from './host-stats.ts';
import { lookUpSource } from './knet-addresses.ts';
import { knetConfig } from './knet-config.ts';
import { KnetReceiver } from './knet-receiver.ts';
import { KnetSender, nameBytesOf } from './knet-sender.ts';
import { type KnetSocket, openKnetSocket } from './knet-socket.ts';
import { LibraryCompression } from './library-compression.ts';
import { NozzlePort } from './nozzle-port.ts';
import { ProbeSender } from './probe-sender.ts';
import { reportText } from './report-text.ts';
import { SendTroubles } from './send-troubles.ts';
import { LINK_ENDS_MAX, LinkEnds } from './transmit/link-ends.ts';
import { TransmitPath } from './transmit/path.ts';

const LOOPBACK_MTU = 65_535;
const PAGE = 4_096;
/** While own frames come in, the sockets are looked at every so many turns: an empty look is a system call. */
const LOCAL_TURNS = 4;
/** How often the sums of the links' counters are made: with 31 links they cost as much as the look at all of them. */

/** The knet transport: sockets, clock, keys and log around the pure core of src/knet. */
export class KnetTransport implements RingTransport {
  /** Tokens and messages of a peer share its links' order closely enough. */
  readonly multicastSocket = null;
  readonly watchedInterface = null;
  readonly heartbeats = { probe: (nodeId: number): void => this.core.probeHost(nodeId, monotonicMs()) };
  readonly core: KnetCore;
  readonly keys: RingKeys;
  private readonly memory: FrameMemory;
  private readonly layout: KnetLayout;
  private readonly crypto: CryptoPhases;
  private readonly receiver: KnetReceiver;
  private readonly sender: KnetSender;
  private readonly probes: ProbeSender;
  private readonly errors: ErrorQueue;
  private readonly loopback: LoopbackQueue;
  private readonly foreign: StatCounter;
  private readonly nozzle: NozzlePort;
  private readonly batch = new RxBatch();
  private readonly dropLog = new DropLog();
  private readonly ownStats: StatBlock;
  private readonly scratchName: number;
  private readonly ends: LinkEnds;
  /** `null`: this thread encrypts and sends. */
  private readonly transmit: TransmitPath | null;
  private sockets: KnetSocket[] = [];
  private turns = 0;
  drained = false;
  /** Link indexes; those of `refused` because nobody listens there. */
  private readonly suspects: number[] = [];
  private readonly refused: number[] = [];
  /** Reports that concern Totem, which must not be called from inside of the core. */
  private readonly news: KnetReport[] = [];
  private readonly compression: LibraryCompression;

  constructor(
    private readonly host: TransportHost,
    private config: TotemConfig,
    layoutOptions: KnetLayoutOptions = {},
  ) {
    const { arena } = host;
    this.memory = { bytes: arena.u8, view: arena.data };
    const sizes = { ...layoutOptions, txQueues: host.transmit?.queues.length ?? 1 };
    const base = arena.allocate(knetLayout(sizes).end + PAGE, PAGE);
    this.layout = knetLayout({ ...sizes, base });
    const stats = new HostStats(host);
    this.compression = new LibraryCompression((model, library, reason) => this.reportMissing(model, library, reason));
    this.core = new KnetCore({
      memory: this.memory,
      layout: this.layout,
      effects: this.effects(),
      compression: this.compression,
      stats,
      ...(host.transmit ? { queueMemory: host.transmit.queues } : {}),
    });
    const { core } = this;
    this.keys = {
      phase: (phase) => this.cryptoPhase(phase),
      expect: (newKey) => core.awaitKey(newKey),
      get waiting() {
        return core.waitsForKey;
      },
    };
    this.ownStats = new StatBlock(stats, `stats.knet.node${config.nodeId}.link0`, LINK_KEYS);
    this.receiver = new KnetReceiver(
      arena,
      this.layout.rxAt,
      this.layout.rxBytes,
      this.core.addresses,
      host.counter(dropKey('knet', dropName(KnetDrop.truncated))),
      host.wire?.receive,
    );
    this.errors = new ErrorQueue(arena);
    const namesAt = arena.allocate(LINK_ENDS_MAX * SOCKADDR_BYTES_MAX, 64);
    this.ends = new LinkEnds(namesAt, host.transmit?.ends);
    this.ends.clear();
    const trouble = new SendTroubles(core, this.suspects, (fd) => this.readErrors(fd));
    this.sender = new KnetSender(arena, this.ends, trouble, host.wire?.send);
    this.transmit = host.transmit
      ? new TransmitPath(host, host.transmit, namesAt, core, trouble, () => this.readAllErrors())
      : null;
    this.probes = new ProbeSender(arena, this.errors, (fd) => this.errorEntry(fd));
    this.foreign = transportDrop(host, 'foreignSender');
    this.nozzle = new NozzlePort(host, this.memory, transportDrop(host, 'nozzle'), (offset, length, target) =>
      this.core.sendFrame(this.memory, offset, length, target),
    );
    this.loopback = new LoopbackQueue(arena, transportDrop(host, 'loopbackFull'));
    this.scratchName = arena.allocate(SOCKADDR_BYTES_MAX, 8);
    const provider = new OpensslProvider(arena);
    this.crypto = new CryptoPhases(
      this.core,
      this.transmit?.provider(provider) ?? provider,
      (text) => host.log('info', 'TOTEM', text),
      monotonicMs,
      (fingerprint) => host.ringKey(fingerprint),
    );
  }

  private effects(): KnetEffects {
    return {
      deliver: (_memory, offset, length, nodeId) => this.deliver(offset, length, nodeId),
      frame: (offset, length) => this.nozzle.deliver(offset, length),
      transmit: (queue) => this.sender.transmit(queue),
      ...(this.host.transmit
        ? { handOver: (queue, suite) => this.transmit?.lanes.handOver(queue, suite) ?? null }
        : {}),
      probe: (link, offset, length) => this.probes.send(this.ends, link.index, offset, length),
      dropped: (reason, tag, nodeId, length) => this.dropped(reason, tag, nodeId, length),
      report: (report) => {
        if (report.kind === 'peersUseSlot') this.crypto.peersUse(report.slot);
        if (report.kind === 'hostDied' || report.kind === 'hostSilent') this.news.push(report);
        this.host.linkReport(report);
        const { level, text } = reportText(report, this.config.linkPolicy);
        this.host.log(level, 'KNET', text);
      },
      clockMs: monotonicMs,
    };
  }

  /** What goes in one hop comes from the knet host that the frame has as its sender, with `block_unlisted_ips` as all checks of addresses. */
  private deliver(offset: number, length: number, nodeId: number): void {
    const sender = this.config.filter.blockUnlistedIps ? directSender(this.memory.view, offset, length) : ANYBODY;
    if (sender === ANYBODY || sender === nodeId) this.host.receive(offset, length);
    else countOne(this.foreign);
  }

  // ---- life ----

  open(): void {
    this.core.configure(knetConfig({ ...this.config, members: [] }), monotonicMs());
    this.crypto.start(this.config.crypto);
    for (const link of this.config.links) this.openSocket(link);
    this.configureCore();
    this.ownStats.set(LinkStat.enabled, 1);
    this.ownStats.set(LinkStat.connected, 1);
    this.ownStats.set(LinkStat.mtu, LOOPBACK_MTU);
    this.ownStats.set(LinkStat.latency_min, UNSET_MINIMUM);
    if (this.core.slots.inUseSlot === CLEAR_SLOT) {
      this.host.log(
        'warning',
        'TOTEM',
        'The ring is neither encrypted nor authenticated (crypto_cipher, crypto_hash: none)',
      );
    }
    // Links are reported up once, here, and never down (totem.md 6.6).
    for (const { linkId } of this.config.links) this.host.interfaceUp(linkId);
    this.flush();
  }

  useNozzle(fd: number): void {
    this.nozzle.use(fd);
    this.core.takeFrames(fd >= 0);
  }

  close(): void {
    this.nozzle.close();
    this.core.close();
    this.transmit?.lanes.stop();
    for (const socket of this.sockets) this.closeSocket(socket);
    this.sockets = [];
  }

  private openSocket(link: LinkConfig): void {
    const { arena, wire } = this.host;
    const { linkId, bindAddress, port } = link;
    const socket = openKnetSocket(arena, this.scratchName, linkId, bindAddress, port, this.config.ipDscp, wire);
    this.sockets.push(socket);
    this.host.watch(socket.fd);
  }

  private closeSocket(socket: KnetSocket): void {
    this.host.unwatch(socket.fd);
    closeFd(socket.fd);
  }

  /** Hands the configuration to the core and reports where its links end. */
  private configureCore(): void {
    this.compression.prepare(compressionMethod(this.config.compression.model));
    const config = knetConfig(this.config);
    this.core.configure(config, monotonicMs());
    this.transmit?.lanes.settle();
    this.ends.clear();
    for (const link of this.core.hosts.links) if (link !== null) this.setEnd(link);
  }

  private setEnd(link: Link): void {
    const socket = this.sockets.find(({ linkId }) => linkId === link.linkId);
    const member = this.config.members.find(({ nodeId }) => nodeId === link.host.nodeId);
    const address = member?.addresses[link.linkId] ?? null;
    if (socket === undefined || address === null) return;
    assert(link.index < LINK_ENDS_MAX, 'bounded by members × links');
    encodeSockaddr(this.host.arena.u8, this.ends.nameAt(link.index), address, socket.port, socket.scopeId);
    this.ends.set(link.index, socket.fd, nameBytesOf(link.family));
  }

  reconfigure(config: TotemConfig): readonly string[] {
    const refused: string[] = [];
    const wanted = config.links.map(({ linkId }) => linkId);
    const gone = this.sockets.filter(({ linkId }) => !wanted.includes(linkId));
    const fresh = config.links.filter(({ linkId }) => !this.sockets.some((socket) => socket.linkId === linkId));
    this.config = config;
    for (const link of fresh) {
      try {
        this.openSocket(link);
      } catch (error) {
        refused.push(`link ${link.linkId}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    this.sockets = this.sockets.filter((socket) => !gone.includes(socket));
    this.configureCore();
    for (const socket of gone) this.closeSocket(socket);
    const crypto = this.crypto.prepare(config.crypto);
    if (crypto !== null) refused.push(`crypto: ${crypto}`);
    this.flush();
    return refused;
  }

  private reportMissing(model: string, library: string, reason: string): void {
    const own = model === this.config.compression.model;
    const effect = own
      ? 'what this node sends is not compressed'
      : `messages that are compressed with ${model} are dropped`;
    this.host.log('error', 'KNET', `compress: unable to dlopen ${library} for ${model}, ${effect}: ${reason}`);
  }

  private cryptoPhase(phase: number): string | null {
    const failure = this.crypto.phase(phase);
    this.flush();
    return failure;
  }

  // ---- Totem ----

  sendToken(target: number, offset: number, length: number, repeat: number): void {
    if (target === this.host.nodeId) this.toSelf(offset, length);
    else this.core.send(this.memory, offset, length, target, repeat);
  }

  multicast(offset: number, length: number, frameClass: FrameClassValue, repeat: number): void {
    if (frameClass === FrameClass.FLUSH) this.toSelf(offset, length);
    else this.host.noteOwnCopies(1);
    this.core.send(this.memory, offset, length, 0, repeat);
  }

  resend(offset: number, length: number, copies: number): void {
    this.host.noteOwnCopies(1);
    this.core.resend(this.memory, offset, length, copies);
  }

  /** Not `flush`: a core that is in the middle of received packets is not asked about links. */
  sendNow(): void {
    this.core.flush();
  }

  private toSelf(offset: number, length: number): void {
    this.loopback.push(offset, length);
    this.ownStats.add(LinkStat.tx_data_packets, 1);
    this.ownStats.add(LinkStat.tx_data_bytes, length);
  }

  knowsTarget(target: number): boolean {
    return target === this.host.nodeId || this.core.hosts.find(target & 0xffff) !== null;
  }

  flush(): void {
    this.core.flush();
    this.transmit?.news();
    if (this.suspects.length > 0 || this.refused.length > 0) this.askSuspects();
  }

  /** Links with errors. They were noticed in the middle of a send, where the core must not be asked for more packets. */
  private askSuspects(): void {
    const nowMs = monotonicMs();
    for (const linkIndex of this.refused) this.core.linkError(linkIndex, true, nowMs);
    for (const linkIndex of this.suspects) this.core.linkError(linkIndex, false, nowMs);
    this.refused.length = 0;
    this.suspects.length = 0;
    this.core.flush();
  }

  // ---- loop ----

  poll(budgetFrames: number): number {
    this.drained = false;
    let handled = this.core.waitsForKey ? this.handleReceived(true) : 0;
    if (this.core.waitsForKey) return handled;
    for (let waiting = this.loopback.length; waiting > 0 && this.loopback.peek(); waiting--) {
      this.host.receive(this.loopback.offset, this.loopback.bytes);
      this.loopback.release();
      handled++;
    }
    if (handled > 0) {
      this.flush();
      if (this.turns++ % LOCAL_TURNS !== 0) return handled;
    }
    for (let i = 0; i < this.sockets.length && handled < budgetFrames && !this.core.waitsForKey; i++) {
      handled += this.pollSocket(this.sockets[i]!.fd, budgetFrames - handled);
    }
    if (this.nozzle.open && !this.core.waitsForKey) {
      handled += this.nozzle.poll();
      this.flush();
    }
    this.drained = handled < budgetFrames && !this.core.waitsForKey && !this.nozzle.more;
    return handled;
  }

  private pollSocket(fd: number, budget: number): number {
    let handled = 0;
    let pending = 0;
    do {
      while (!this.receiver.receive(fd, budget - handled)) {
        if (this.receiver.error >= 0 || this.receiver.error === EAGAIN) return handled;
        // An ICMP message about an earlier packet: nothing was read, and packets may wait behind it.
        this.readErrors(fd);
        if (pending++ >= PENDING_ERRORS_MAX) return handled;
      }
      handled += this.handleReceived(false);
    } while (handled < budget && !this.core.waitsForKey && this.receiver.filled);
    return handled;
  }

  /** What the last system call read, or, after a wait for a key, the rest of it. */
  private handleReceived(again: boolean): number {
    const { batch } = this;
    const nowMs = monotonicMs();
    let handled = 0;
    if (!again) batch.clear();
    while (batch.next < batch.count || this.receiver.fill(batch)) {
      const before = batch.next;
      this.core.receive(batch, nowMs);
      this.flush();
      if (this.news.length > 0) this.passNews();
      handled += Math.max(0, batch.next - before);
      if (this.core.waitsForKey) break;
      batch.clear();
    }
    return handled;
  }

  hasLocalInput(): boolean {
    return this.loopback.length > 0;
  }

  discardInput(): number {
    let discarded = this.loopback.clear() + this.batch.count - this.batch.next;
    this.batch.clear();
    this.receiver.discard();
    for (const { fd } of this.sockets) {
      while (discarded < DRAIN_FRAMES_MAX && this.receiver.receive(fd, Number.MAX_SAFE_INTEGER)) {
        while (this.receiver.fill(this.batch)) {
          discarded += this.batch.count;
          this.batch.clear();
        }
      }
    }
    return discarded;
  }

  tick(): void {
    const nowMs = monotonicMs();
    this.crypto.tick(nowMs);
    if (nowMs < this.core.nextDeadlineMs(nowMs)) return;
    // Entries that no send or receive call announced would keep the loop awake.
    this.readAllErrors();
    this.core.tick(nowMs);
    this.flush();
    if (this.news.length > 0) this.passNews();
  }

  private passNews(): void {
    for (const report of this.news.splice(0)) {
      if (report.kind === 'hostDied') this.host.memberDied(report.nodeId);
      if (report.kind === 'hostSilent') this.host.memberSilent(report.nodeId, report.silentMs);
    }
  }

  nextDeadlineMs(): number {
    const nowMs = monotonicMs();
    return this.host.nowMs() + (Math.min(this.core.nextDeadlineMs(nowMs), this.crypto.nextDeadlineMs) - nowMs);
  }

  // ---- errors and drops ----

  private readAllErrors(): void {
    for (const { fd } of this.sockets) this.readErrors(fd);
  }

  private readErrors(fd: number): void {
    this.errors.drain(fd, () => this.errorEntry(fd));
  }

  /** One entry of the error queue: which link's packet it was, and what that means for the link. */
  private errorEntry(fd: number): void {
    const { errors } = this;
    if (errors.errno === 0) return;
    const source = lookUpSource(this.host.arena, errors.name, this.core.addresses);
    if (source === 0) return;
    for (const link of this.core.hosts.links) {
      if (link === null || link.addressId !== source || this.ends.fd[link.index] !== fd) continue;
      if (errors.tooBig) this.core.pathTooSmall(link.index);
      else (errors.refused ? this.refused : this.suspects).push(link.index);
    }
  }

  private dropped(reason: KnetDropReason, name: number, nodeId: number, length: number): void {
    const nowMs = this.host.nowMs();
    if (!this.dropLog.worthALook(reason, nowMs)) return;
    const address = decodeSockaddr(this.host.arena.u8, name);
    const peer = address === null ? 'unknown' : `${address.ip}:${address.port}`;
    const line = this.dropLog.line(reason, peer, nodeId, length, nowMs);
    if (line !== null) this.host.log('error', 'KNET', line);
  }

  // ---- status ----

  linkStatus(): readonly LinkStatus[] {
    return this.config.links.map(({ linkId, bindAddress }) => ({
      linkId,
      localAddress: bindAddress,
      up: true,
      peers: this.config.members
        .filter(({ addresses }) => (addresses[linkId] ?? null) !== null)
        .map(({ nodeId, addresses }) => this.peerStatus(nodeId, linkId, addresses[linkId] ?? '')),
    }));
  }

  private peerStatus(nodeId: number, linkId: number, address: string): LinkStatus['peers'][number] {
    if (nodeId === this.config.nodeId) {
      const own = { enabled: true, connected: true, mtu: LOOPBACK_MTU, heardMs: null };
      return { nodeId, address, ...own };
    }
    const link = this.core.hosts.find(nodeId)?.links[linkId] ?? null;
    const connected = link?.connected ?? false;
    return {
      nodeId,
      address,
      enabled: link !== null,
      connected,
      mtu: link?.dataMtu ?? 0,
      heardMs: link?.stats.get(LinkStat.heard_ms) ?? 0,
    };
  }
}

/** Errors of earlier sends that a socket may report, one after the other, before it is read at the next turn. */
const PENDING_ERRORS_MAX = 4;
const EAGAIN = -11;
