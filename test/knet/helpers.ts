import type { AddressWords } from '../../src/knet/address.ts';
import { mapIpv4 } from '../../src/knet/address.ts';
import { Compression, type CompressionProvider } from '../../src/knet/compression.ts';
import type { KnetConfig, KnetHostConfig, KnetLinkConfig } from '../../src/knet/config.ts';
import { KnetCore } from '../../src/knet/core.ts';
import { type CryptoSuite, OpenFailure } from '../../src/knet/crypto.ts';
import { dropName } from '../../src/knet/drops.ts';
import type { KnetEffects, KnetReport } from '../../src/knet/effects.ts';
import { knetLayout } from '../../src/knet/layout.ts';
import type { Link } from '../../src/knet/link.ts';
import { RxBatch } from '../../src/knet/rx-batch.ts';
import { LocalStats } from '../../src/knet/stats.ts';
import type { TxQueue } from '../../src/knet/tx-queue.ts';
import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import type { LinkPolicy } from '../../src/lib/knet-facts.ts';
import { knetLinkDefaults, partDefaults } from '../config/defaults.ts';

export const noCompression: CompressionProvider = {
  compress: () => Compression.NOT_SHORTER,
  decompress: () => Compression.UNKNOWN,
};

let sealed = 0;

/** Seals like a real one as far as the core sees: each sealed packet is another one, and only whoever has the key makes them. */
export function toySuite(memory: FrameMemory, key = 0x5eed): CryptoSuite {
  const { view, bytes } = memory;
  const sum = (at: number, length: number): number => {
    let result = key;
    for (let i = at; i < at + length; i++) result = (Math.imul(result, 31) + bytes[i]!) >>> 0;
    return result;
  };
  return {
    name: 'toy',
    engine: 'test',
    saltBytes: 0,
    blockBytes: 0,
    digestBytes: 12,
    seal: (batch, first, count) => {
      for (let i = first; i < first + count; i++) {
        const end = batch.offset[i]! + batch.length[i]!;
        view.setUint32(end, ++sealed, true);
        view.setUint32(end + 4, sum(batch.offset[i]!, batch.length[i]! + 4), true);
        view.setUint32(end + 8, Math.imul(sealed, 0x9e3779b1) >>> 0, true);
      }
    },
    open: (batch, first, count) => {
      for (let i = first; i < first + count; i++) {
        const [at, length] = [batch.offset[i]!, batch.length[i]!];
        const genuine = length > 12 && sum(at, length - 8) === view.getUint32(at + length - 8, true);
        batch.plainOffset[i] = at;
        batch.plainLength[i] = genuine ? length - 12 : OpenFailure.AUTHENTICATION;
      }
    },
    wipe: () => {},
  };
}

/** Address of a simulated node's end of a link. */
export const addressOf = (nodeId: number, linkId: number): AddressWords => ({
  family: 4,
  words: mapIpv4((10 << 24) | (linkId << 16) | nodeId),
});

export interface LinkOptions {
  readonly priority?: number;
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
  readonly pongCount?: number;
}

/** PINGs every 750 ms, and 1500 ms without a PONG. */
const TOKEN_MS = 3000;

/** What the option table says, for knet as a whole. */
export function handleDefaults(changes: { readonly blockUnlistedIps?: boolean; readonly manualMtu?: number } = {}) {
  const { knet, filter } = partDefaults();
  const { blockUnlistedIps = filter.blockUnlistedIps, manualMtu = knet.manualMtu } = changes;
  return { ...knet, manualMtu, blockUnlistedIps };
}

export function hostConfig(nodeId: number, links: number, options: readonly LinkOptions[] = []): KnetHostConfig {
  return {
    nodeId,
    links: Array.from(
      { length: links },
      (_, linkId): KnetLinkConfig => ({
        linkId,
        remote: addressOf(nodeId, linkId),
        ...knetLinkDefaults(TOKEN_MS),
        ...options[linkId],
      }),
    ),
  };
}

export interface SimOptions {
  readonly nodes?: number;
  readonly links?: number;
  readonly policy?: LinkPolicy;
  readonly linkOptions?: readonly LinkOptions[];
  readonly blockUnlistedIps?: boolean;
  readonly manualMtu?: number;
  readonly sealed?: boolean;
}

export interface Packet {
  readonly from: number;
  readonly to: number;
  readonly linkId: number;
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

/** A node of the simulation: a core, and what came out of it. */
export class SimNode {
  readonly delivered: { from: number; bytes: Buffer }[] = [];
  readonly reports: KnetReport[] = [];
  readonly drops = new Map<string, number>();
  readonly stats = new LocalStats();
  readonly layout = knetLayout({ assemblyBuffers: 8 });
  readonly memory = frameMemory(new Uint8Array(this.layout.end));
  readonly batch = new RxBatch();
  /** The interface MTU that a probe is held against. */
  interfaceMtu = 1500;
  core: KnetCore;

  constructor(
    readonly sim: KnetSim,
    readonly nodeId: number,
  ) {
    this.core = this.boot();
  }

  private boot(): KnetCore {
    const core = new KnetCore({
      memory: this.memory,
      layout: this.layout,
      effects: this.effects(),
      compression: noCompression,
      stats: this.stats,
    });
    core.configure(this.sim.config(this.nodeId), this.sim.nowMs);
    if (this.sim.options.sealed === true) {
      core.loadCrypto(1, toySuite(this.memory));
      core.useCrypto(1);
      core.allowClear(false);
    }
    return core;
  }

  /** The process dies and a new one starts. */
  restart(): void {
    this.core = this.boot();
  }

  private effects(): KnetEffects {
    return {
      deliver: (memory, offset, length, nodeId) => {
        this.delivered.push({ from: nodeId, bytes: Buffer.from(memory.bytes.slice(offset, offset + length)) });
      },
      transmit: (queue) => this.transmit(queue),
      probe: (link, offset, length) => {
        if (length + link.overheadBytes > this.interfaceMtu) return this.interfaceMtu;
        this.sim.post(this.nodeId, link, this.memory.bytes.slice(offset, offset + length));
        return 0;
      },
      dropped: (reason) => {
        const name = dropName(reason);
        this.drops.set(name, (this.drops.get(name) ?? 0) + 1);
      },
      report: (event) => {
        this.reports.push(event);
      },
      clockMs: () => this.sim.nowMs,
    };
  }

  private transmit(queue: TxQueue): void {
    for (let run = 0; run < queue.runs; run++) {
      const link = this.core.hosts.links[queue.runLink[run]!]!;
      for (let i = 0; i < queue.runCount[run]!; i++) {
        const packet = queue.runFirst[run]! + i;
        const at = queue.offset[packet]!;
        this.sim.post(this.nodeId, link, this.memory.bytes.slice(at, at + queue.wireLength[packet]!));
      }
    }
  }

  accept(packet: Packet, source: AddressWords = addressOf(packet.from, packet.linkId)): void {
    this.memory.bytes.set(packet.bytes, this.layout.rxAt);
    this.batch.clear();
    const [a, b, c, d] = source.words;
    this.batch.add(this.layout.rxAt, packet.bytes.length, this.core.addresses.lookup(a, b, c, d), 0);
    this.core.receive(this.batch, this.sim.nowMs);
    this.core.flush();
  }

  send(target: number, message: Uint8Array): boolean {
    const sent = this.core.send(frameMemory(message), 0, message.length, target);
    this.core.flush();
    return sent;
  }

  stat(name: string): number {
    return this.stats.read(`stats.knet.${name}`);
  }

  linkIsUp(nodeId: number, linkId: number): boolean {
    return this.core.hosts.find(nodeId)?.links[linkId]?.connected ?? false;
  }
}

/** Several cores, a network between them and one clock: no sockets, no threads, no randomness of its own. */
export class KnetSim {
  nowMs = 1_000;
  readonly nodes = new Map<number, SimNode>();
  /** Returns false to lose a packet. */
  network: (packet: Packet) => boolean = () => true;
  delayMs = 1;
  readonly wire: Packet[] = [];
  /** Largest IP packet that a path carries. */
  pathMtu = 65_535;
  readonly seen: Packet[] = [];
  record = false;

  constructor(readonly options: SimOptions = {}) {
    for (let nodeId = 1; nodeId <= (options.nodes ?? 2); nodeId++) this.nodes.set(nodeId, new SimNode(this, nodeId));
  }

  node(nodeId: number): SimNode {
    return this.nodes.get(nodeId)!;
  }

  config(nodeId: number): KnetConfig {
    const { options } = this;
    const hosts: KnetHostConfig[] = [];
    for (let other = 1; other <= (options.nodes ?? 2); other++) {
      if (other !== nodeId) hosts.push(hostConfig(other, options.links ?? 1, options.linkOptions));
    }
    return {
      nodeId,
      policy: options.policy ?? 'passive',
      hosts,
      ...handleDefaults(options),
      compression: { method: 0, thresholdBytes: 0, level: 0 },
    };
  }

  post(from: number, link: Link, bytes: Uint8Array): void {
    const packet = { from, to: link.host.nodeId, linkId: link.linkId, bytes, atMs: this.nowMs + this.delayMs };
    if (this.record) this.seen.push(packet);
    if (bytes.length + link.overheadBytes > this.pathMtu || !this.network(packet)) return;
    this.wire.push(packet);
  }

  /** Lets time pass in steps of a millisecond. */
  run(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs++;
      for (let i = 0; i < this.wire.length; ) {
        const packet = this.wire[i]!;
        if (packet.atMs > this.nowMs) {
          i++;
          continue;
        }
        this.wire.splice(i, 1);
        this.nodes.get(packet.to)?.accept(packet);
      }
      for (const node of this.nodes.values()) {
        node.core.tick(this.nowMs);
        node.core.flush();
        const nextMs = node.core.nextDeadlineMs(this.nowMs);
        if (nextMs <= this.nowMs)
          throw new Error(`node ${node.nodeId}: after a tick at ${this.nowMs} the next deadline is ${nextMs}`);
      }
    }
  }
}

/** A Totem-like message: header with target 0, then filler. */
export function message(length: number, fill = 7): Buffer {
  const bytes = Buffer.alloc(length, fill);
  Buffer.from([0x70, 0xc0, 3, 1, 2]).copy(bytes);
  if (length >= 13) bytes.fill(0, 5, 13);
  return bytes;
}
