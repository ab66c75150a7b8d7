import type { KnetConfig } from '../../src/knet/config.ts';
import { KnetCore } from '../../src/knet/core.ts';
import type { KnetReport } from '../../src/knet/effects.ts';
import type { Host } from '../../src/knet/host.ts';
import { knetLayout } from '../../src/knet/layout.ts';
import type { Link } from '../../src/knet/link.ts';
import { RxBatch } from '../../src/knet/rx-batch.ts';
import { LocalStats } from '../../src/knet/stats.ts';
import type { TxQueue } from '../../src/knet/tx-queue.ts';
import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import { addressOf, noCompression, toySuite } from '../knet/helpers.ts';
import { giveMemory, takeMemory } from './memory-store.ts';

const STATS = 4096;
const LAYOUT = knetLayout({ assemblyBuffers: 8, rxBytes: 1 << 17 });

/** What the knet of one node works with; the simulator's node and `KnetLines` implement it. */
export interface SimKnetHost {
  readonly nodeId: number;
  readonly config: KnetConfig;
  readonly sealed: boolean;
  now(): number;
  /** A datagram leaves on a link. */
  post(to: number, linkId: number, bytes: Uint8Array): void;
  /** A probe of the path leaves, or the kernel refuses it: then what its interface carries. */
  probe(to: number, linkId: number, bytes: Uint8Array, ipBytes: number): number;
  deliver(memory: FrameMemory, offset: number, length: number, from: number): void;
  report(report: KnetReport): void;
  violation(text: string): void;
}

/** The knet core of one life of a node, with simulated sockets. */
export class SimKnet {
  readonly core: KnetCore;
  private readonly memory = takeMemory(LAYOUT.end);
  private readonly batch = new RxBatch();

  constructor(private readonly host: SimKnetHost) {
    this.core = new KnetCore({
      memory: this.memory,
      layout: LAYOUT,
      compression: noCompression,
      stats: new LocalStats(STATS),
      effects: {
        deliver: (memory, offset, length, from) => host.deliver(memory, offset, length, from),
        transmit: (queue) => this.transmit(queue),
        probe: (link, offset, length) => this.probe(link, offset, length),
        dropped: () => {},
        report: (report) => host.report(report),
        clockMs: () => host.now(),
      },
    });
    this.core.configure(host.config, host.now());
    if (!host.sealed) return;
    this.core.loadCrypto(1, toySuite(this.memory));
    this.core.useCrypto(1);
    this.core.allowClear(false);
  }

  close(): void {
    giveMemory(this.memory);
  }

  private transmit(queue: TxQueue): void {
    for (let run = 0; run < queue.runs; run++) {
      const link = this.core.hosts.links[queue.runLink[run]!]!;
      for (let i = 0; i < queue.runCount[run]!; i++) {
        const packet = queue.runFirst[run]! + i;
        const at = queue.offset[packet]!;
        this.host.post(link.host.nodeId, link.linkId, this.memory.bytes.subarray(at, at + queue.wireLength[packet]!));
      }
    }
  }

  private probe({ host, linkId, overheadBytes }: Link, offset: number, length: number): number {
    const bytes = this.memory.bytes.subarray(offset, offset + length);
    return this.host.probe(host.nodeId, linkId, bytes, length + overheadBytes);
  }

  /** A datagram was read from the socket of a link. */
  accept(from: number, linkId: number, bytes: Uint8Array): void {
    this.memory.bytes.set(bytes, LAYOUT.rxAt);
    this.batch.clear();
    const [a, b, c, d] = addressOf(from, linkId).words;
    this.batch.add(LAYOUT.rxAt, bytes.length, this.core.addresses.lookup(a, b, c, d), 0);
    this.core.receive(this.batch, this.host.now());
    this.core.flush();
  }

  /** The kernel of a peer says that nobody listens. */
  refused(nodeId: number, linkId: number): void {
    const link = this.core.hosts.find(nodeId)?.links[linkId] ?? null;
    if (link === null) return;
    this.core.linkError(link.index, true, this.host.now());
    this.core.flush();
  }

  tick(): void {
    const now = this.host.now();
    this.core.tick(now);
    this.core.flush();
    const next = this.core.nextDeadlineMs(now);
    if (next <= now)
      this.host.violation(`knet's next deadline is ${next} after a tick at ${now}: the loop would turn for it`);
  }

  /** A frame is handed over, `copies` times what was sent before, or the `repeat`th repetition of a token. */
  send(frame: Uint8Array, to: number | 'all', copies: number, repeat: number): void {
    const from = frameMemory(frame);
    if (copies > 0) this.core.resend(from, 0, frame.length, copies);
    else this.core.send(from, 0, frame.length, to === 'all' ? 0 : to, repeat);
    this.core.flush();
  }

  /** What holds between the parts of a core after every event. */
  check(): void {
    let smallest = Number.POSITIVE_INFINITY;
    for (const host of this.core.hosts.list) {
      this.checkHost(host);
      for (const link of host.usable) smallest = Math.min(smallest, link.dataMtu);
    }
    if (smallest !== Number.POSITIVE_INFINITY && this.core.dataMtu !== smallest)
      this.host.violation(`knet cuts to ${this.core.dataMtu}, and the smallest link carries ${smallest}`);
  }

  private checkHost(host: Host): void {
    let connected = 0;
    for (const link of host.links) {
      if (link?.connected !== true) continue;
      connected++;
      if (!host.usable.includes(link)) this.host.violation(`link ${link.linkId} of ${host.nodeId} is up and not used`);
    }
    if (connected < host.usable.length) this.host.violation(`a link of ${host.nodeId} is used that is down`);
    for (let i = 1; i < host.usable.length; i++)
      if (host.usable[i]!.config.priority > host.usable[i - 1]!.config.priority)
        this.host.violation(`links of ${host.nodeId} are tried against their priorities`);
    if (host.reassembler.held > LAYOUT.assemblyBuffers)
      this.host.violation('more half assembled messages than buffers');
    if (!host.reachable && host.reassembler.held > 0)
      this.host.violation(`half assembled messages of ${host.nodeId}, which is not reachable`);
  }

  /** Links to these nodes that are down. */
  down(nodeIds: readonly number[]): readonly string[] {
    return this.core.hosts.list.flatMap((host) =>
      nodeIds.includes(host.nodeId)
        ? host.links.flatMap((link) => (link?.connected === false ? [`${host.nodeId} link ${link.linkId}`] : []))
        : [],
    );
  }
}
