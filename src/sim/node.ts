import type { TotemConfig } from '../config/totem-config.ts';
import { Compression, type CompressionProvider } from '../knet/compression.ts';
import { KnetCore } from '../knet/core.ts';
import type { KnetReport } from '../knet/effects.ts';
import { knetLayout } from '../knet/layout.ts';
import type { Link } from '../knet/link.ts';
import { RxBatch } from '../knet/rx-batch.ts';
import { LocalStats } from '../knet/stats.ts';
import type { TxQueue } from '../knet/tx-queue.ts';
import { type FrameMemory, frameMemory } from '../lib/frame-memory.ts';
import type { ConfigurationChange } from '../lib/ring-id.ts';
import { SyncCore } from '../services/sync/sync-core.ts';
import { FrameClass, type FrameClassValue, Group, ProcessGroups } from '../totem/index.ts';
import { addressWords } from '../transport/knet/knet-addresses.ts';
import { knetConfig } from '../transport/knet/knet-config.ts';

const INPUT_BYTES = 66_000;
const REGION_BYTES = 2 << 20;
const LAYOUT = knetLayout({ assemblyBuffers: 8, rxBytes: 1 << 17 });
const INTERFACE_MTU = 1_500;
/** Services take part in each synchronization: as many barriers as the daemon's own need. */
const SERVICE_IDS: readonly number[] = [0, 2, 5];
const MESSAGE_BYTES = 400;
/** A node that does not run keeps as much as its socket does. */
const INBOX_MAX = 2_000;

const uncompressed: CompressionProvider = {
  compress: () => Compression.NOT_SHORTER,
  decompress: () => Compression.UNKNOWN,
};

/** A datagram between two nodes. */
export interface SimPacket {
  readonly from: number;
  readonly to: number;
  readonly link: number;
  readonly bytes: Uint8Array;
}

export interface SimNodePorts {
  now(): number;
  after(delayMs: number, run: () => void): void;
  post(packet: SimPacket): void;
  random(): number;
  /** The membership of this node's ring is another one; `left`: who is gone. */
  changed(node: SimulatedNode, members: readonly number[], left: readonly number[]): void;
  /** Services may be used again after a change. */
  synchronised(node: SimulatedNode): void;
  /** A message of this node has come back in its place in the order. */
  delivered(waitMs: number): void;
}

/** One node: the ring protocol, knet and synchronization as the daemon runs them, without sockets, clock and threads. */
export class SimulatedNode {
  alive = true;
  pausedUntilMs = 0;
  members: readonly number[] = [];
  private readonly totemMemory = frameMemory(new Uint8Array(INPUT_BYTES + REGION_BYTES));
  private readonly groups: ProcessGroups;
  private readonly sync: SyncCore;
  private readonly knet: KnetCore | null;
  private readonly knetMemory: FrameMemory;
  private readonly batch = new RxBatch();
  private inbox: SimPacket[] = [];
  private toSelf: Uint8Array[] = [];
  private inEvent = false;
  private wakeMs = Number.POSITIVE_INFINITY;
  private readonly message = new Uint8Array(MESSAGE_BYTES);
  /** When messages of this node were sent that it has not got back yet. */
  private readonly sentMs: number[] = [];
  tokensSent = 0;

  constructor(
    readonly nodeId: number,
    private readonly config: TotemConfig,
    private readonly ports: SimNodePorts,
  ) {
    const own: TotemConfig = { ...config, nodeId };
    this.knetMemory = frameMemory(new Uint8Array(config.transport === 'knet' ? LAYOUT.end : 0));
    this.knet = config.transport === 'knet' ? this.makeKnet(own) : null;
    this.groups = new ProcessGroups({
      nodeId,
      netMtu: config.netMtu,
      timings: config.timings,
      storedRingSeq: 0,
      reservedRingSeq: 0,
      memory: this.totemMemory,
      regionOffset: INPUT_BYTES,
      regionBytes: REGION_BYTES,
      nowMs: ports.now(),
      random: () => ports.random(),
      network: {
        sendToken: (to, offset, length) => this.sendToken(to, offset, length),
        multicast: (offset, length, frameClass) => this.multicast(offset, length, frameClass),
        resend: (offset, length) => this.multicast(offset, length, FrameClass.NOFLUSH),
        sendNow: () => {},
        knowsTarget: (to) => config.members.some((member) => member.nodeId === to),
        multicastSocket: null,
        watchedInterface: null,
        heartbeats: this.knet === null ? null : { probe: (to) => this.knet?.probeHost(to, ports.now()) },
        discardInput: () => this.inbox.splice(0).length,
      },
      observer: { report: () => {} },
      user: {
        deliver: (group, from, memory, offset, length) => {
          if (group === Group.SYNC) this.sync.message(from, memory.bytes, offset, length);
          else if (from === this.nodeId) ports.delivered(ports.now() - (this.sentMs.shift() ?? Number.NaN));
        },
        configurationChange: (change) => this.configurationChange(change),
        sendsSoon: () => false,
        tokenSent: () => {
          if (this.sync.isInProgress()) this.sync.retry();
        },
        reserveRingSeq: (upTo) => ports.after(0, () => this.event(() => this.groups.srp.ringSeqReserved(upTo))),
      },
    });
    this.sync = new SyncCore(nodeId, {
      mcastSync: (message) => this.groups.mcast(Group.SYNC, message),
      inProgressChanged: () => {},
      lastBarrierQueued: () => this.groups.holdServices(),
      completed: () => {
        this.groups.synchronizationCompleted();
        ports.synchronised(this);
      },
      late: () => {},
      dropped: () => {},
    });
    for (const serviceId of SERVICE_IDS)
      this.sync.add({ serviceId, init: () => {}, process: () => 'done', activate: () => {}, abort: () => {} });
  }

  private makeKnet(own: TotemConfig): KnetCore {
    const core = new KnetCore({
      memory: this.knetMemory,
      layout: LAYOUT,
      compression: uncompressed,
      stats: new LocalStats(),
      effects: {
        deliver: (memory, offset, length) => this.frame(memory.bytes.subarray(offset, offset + length)),
        transmit: (queue) => this.transmit(queue),
        probe: (link, offset, length) => {
          if (length + link.overheadBytes > INTERFACE_MTU) return INTERFACE_MTU;
          this.post(link, offset, length);
          return 0;
        },
        dropped: () => {},
        report: (report) => this.linkReport(report),
        clockMs: () => this.ports.now(),
      },
    });
    core.configure({ ...knetConfig(own), compression: { method: 0, thresholdBytes: 0, level: 0 } }, this.ports.now());
    return core;
  }

  /** Reports of knet come from inside an event; the ring hears of them in one of its own. */
  private linkReport(report: KnetReport): void {
    if (report.kind === 'hostDied')
      this.ports.after(0, () => this.event(() => this.groups.srp.memberDied(report.nodeId)));
    if (report.kind === 'hostSilent')
      this.ports.after(0, () => this.event(() => this.groups.srp.memberSilent(report.nodeId, report.silentMs)));
  }

  private transmit(queue: TxQueue): void {
    for (let run = 0; run < queue.runs; run++) {
      const link = this.knet?.hosts.links[queue.runLink[run]!];
      if (link === null || link === undefined) continue;
      for (let i = 0; i < queue.runCount[run]!; i++) {
        const packet = queue.runFirst[run]! + i;
        this.post(link, queue.offset[packet]!, queue.wireLength[packet]!);
      }
    }
  }

  private post(link: Link, offset: number, length: number): void {
    const bytes = this.knetMemory.bytes.slice(offset, offset + length);
    this.ports.post({ from: this.nodeId, to: link.host.nodeId, link: link.linkId, bytes });
  }

  private sendToken(to: number, offset: number, length: number): void {
    this.tokensSent++;
    if (to === this.nodeId) this.keep(offset, length);
    else if (this.knet !== null) this.knet.send(this.totemMemory, offset, length, to);
    else this.ports.post({ from: this.nodeId, to, link: 0, bytes: this.copy(offset, length) });
  }

  private multicast(offset: number, length: number, frameClass: FrameClassValue): void {
    if (frameClass === FrameClass.FLUSH) this.keep(offset, length);
    else this.groups.srp.noteOwnCopies(1);
    if (this.knet !== null) {
      this.knet.send(this.totemMemory, offset, length, 0);
      return;
    }
    const bytes = this.copy(offset, length);
    for (const { nodeId } of this.config.members)
      if (nodeId !== this.nodeId) this.ports.post({ from: this.nodeId, to: nodeId, link: 0, bytes });
  }

  private keep(offset: number, length: number): void {
    this.toSelf.push(this.copy(offset, length));
  }

  private copy(offset: number, length: number): Uint8Array {
    return this.totemMemory.bytes.slice(offset, offset + length);
  }

  private frame(bytes: Uint8Array): void {
    this.totemMemory.bytes.set(bytes, 0);
    this.groups.srp.receive(0, bytes.length);
  }

  private configurationChange(change: ConfigurationChange): void {
    this.sync.configurationChange(change);
    if (change.kind !== 'regular') return;
    // A regular configuration names nobody who left: the transitional one before it did.
    const left = this.members.filter((node) => !change.members.includes(node));
    this.members = change.members;
    this.ports.changed(this, change.members, left);
  }

  get isSynchronised(): boolean {
    return this.groups.srp.phase === 'operational' && !this.sync.isInProgress();
  }

  private get runs(): boolean {
    return this.alive && this.ports.now() >= this.pausedUntilMs;
  }

  start(): void {
    this.event(() => this.groups.srp.interfaceChanged());
  }

  /** An application multicasts. */
  send(): void {
    if (!this.runs || !this.isSynchronised) return;
    this.event(() => {
      if (this.groups.mcast(Group.SERVICES, this.message, 0, MESSAGE_BYTES)) this.sentMs.push(this.ports.now());
    });
  }

  /** It does not run for a while; what arrives meanwhile waits. */
  pause(ms: number): void {
    this.pausedUntilMs = this.ports.now() + ms;
    this.ports.after(ms, () => this.wake());
  }

  arrive(packet: SimPacket): void {
    if (!this.alive) return;
    if (!this.runs) {
      if (this.inbox.length < INBOX_MAX) this.inbox.push(packet);
      return;
    }
    this.event(() => this.accept(packet));
  }

  private accept({ from, link, bytes }: SimPacket): void {
    if (this.knet === null) {
      this.frame(bytes);
      return;
    }
    const address = this.config.members.find((member) => member.nodeId === from)?.addresses[link] ?? null;
    if (address === null) return;
    this.knetMemory.bytes.set(bytes, LAYOUT.rxAt);
    this.batch.clear();
    const [a, b, c, d] = addressWords(address).words;
    this.batch.add(LAYOUT.rxAt, bytes.length, this.knet.addresses.lookup(a, b, c, d), 0);
    this.knet.receive(this.batch, this.ports.now());
  }

  /** The kernel of a peer says that nobody listens there any more. */
  refused(by: number, linkId: number): void {
    const link = this.knet?.hosts.find(by)?.links[linkId];
    if (link !== null && link !== undefined) this.event(() => this.knet?.linkError(link.index, true, this.ports.now()));
  }

  private wake(): void {
    if (!this.runs) return;
    this.event(() => {
      for (const packet of this.inbox.splice(0)) this.accept(packet);
    });
  }

  private event(run: () => void): void {
    if (!this.runs || this.inEvent) {
      if (this.runs) this.ports.after(0, () => this.event(run));
      return;
    }
    this.inEvent = true;
    const { srp } = this.groups;
    const nowMs = this.ports.now();
    srp.setNow(nowMs);
    run();
    for (;;) {
      const own = this.toSelf.shift();
      if (own === undefined) break;
      this.frame(own);
    }
    if (srp.nextDeadlineMs() <= nowMs) srp.tick(nowMs);
    this.knet?.tick(nowMs);
    this.knet?.flush();
    this.inEvent = false;
    this.plan();
  }

  /** Wakes up for the next timer. */
  private plan(): void {
    const nowMs = this.ports.now();
    const next = Math.min(
      this.groups.srp.nextDeadlineMs(),
      this.knet?.nextDeadlineMs(nowMs) ?? Number.POSITIVE_INFINITY,
    );
    if (next >= this.wakeMs || !Number.isFinite(next)) return;
    this.wakeMs = next;
    this.ports.after(Math.max(0, next - nowMs), () => {
      if (this.wakeMs !== next) return;
      this.wakeMs = Number.POSITIVE_INFINITY;
      this.event(() => {});
    });
  }
}
