import { Worker } from 'node:worker_threads';
import { KeyMaterial } from '../../../src/config/key-material.ts';
import type { CryptoConfig, LinkConfig, TotemConfig } from '../../../src/config/totem-config.ts';
import type { LinkPolicy } from '../../../src/lib/knet-facts.ts';
import type { LogLevel, LogSubsystem } from '../../../src/lib/log.ts';
import type { TransmitBuffers } from '../../../src/lib/transmit-buffers.ts';
import { Arena } from '../../../src/os/arena.ts';
import { KnetTransport } from '../../../src/transport/knet/knet-transport.ts';
import { allocateTransmit } from '../../../src/transport/knet/transmit/shared.ts';
import type { TransmitThreadData } from '../../../src/transport/knet/transmit/thread.ts';
import type { StatCounter, TransportHost } from '../../../src/transport/transport.ts';
import { knetLinkDefaults, partDefaults } from '../../config/defaults.ts';

/** As many threads seal and send for each node (transmit.test.ts runs other tests again with some). */
const TRANSMIT_THREADS = Number(process.env['RONDO_TEST_TRANSMIT_THREADS'] ?? 0);

/** Threads of several nodes want processors that the machine may not have. */
const THREADS_MS_FACTOR = 5;

export const CLEAR: CryptoConfig = { model: 'nss', cipher: 'none', hash: 'none', keyFingerprint: '' };
/** By fingerprint, as the ring thread finds them. */
const KEYS = new Map<string, Uint8Array>();
export const crypto = (cipher: CryptoConfig['cipher'], hash: CryptoConfig['hash'], key: Uint8Array): CryptoConfig => {
  const { fingerprint } = new KeyMaterial(key);
  KEYS.set(fingerprint, key);
  return { model: 'nss', cipher, hash, keyFingerprint: fingerprint };
};
/** Lets a process find the key of a configuration that another one made. */
export function knowKey(fingerprint: string, key: Uint8Array): void {
  KEYS.set(fingerprint, key);
}

/** The key of a configuration that `crypto` made. */
export const keyOf = ({ keyFingerprint }: CryptoConfig): Uint8Array | null => KEYS.get(keyFingerprint) ?? null;

export interface NodeOptions {
  readonly nodeId: number;
  /** By node id: the addresses of its links. */
  readonly members: Readonly<Record<number, readonly string[]>>;
  readonly crypto?: CryptoConfig;
  readonly port?: number;
  readonly policy?: LinkPolicy;
  readonly compression?: { model: string; thresholdBytes: number; level: number };
  readonly knetMtu?: number;
  readonly tokenMs?: number;
  readonly priorities?: readonly number[];
  readonly blockUnlistedIps?: boolean;
}

/** An effective configuration with stock's defaults. */
export function totemConfig(options: NodeOptions): TotemConfig {
  const own = options.members[options.nodeId]!;
  const tokenMs = options.tokenMs ?? 3_000;
  const links = own.map(
    (address, linkId): LinkConfig => ({
      linkId,
      bindAddress: address,
      family: address.includes(':') ? 6 : 4,
      port: (options.port ?? 5_405) + linkId,
      multicastAddress: '',
      broadcast: false,
      ttl: 1,
      knet: { ...knetLinkDefaults(tokenMs), priority: options.priorities?.[linkId] ?? 1 },
    }),
  );
  const parts = partDefaults();
  return {
    nodeId: options.nodeId,
    clusterName: 'test',
    transport: 'knet',
    netMtu: 65_536,
    ipDscp: 0,
    linkPolicy: options.policy ?? 'passive',
    ...parts,
    filter: { blockUnlistedIps: options.blockUnlistedIps ?? true },
    links,
    members: Object.entries(options.members).map(([id, addresses]) => ({
      nodeId: Number(id),
      name: `node${id}`,
      addresses,
    })),
    crypto: options.crypto ?? CLEAR,
    knet: { ...parts.knet, manualMtu: options.knetMtu ?? 0 },
    tokenNodes: 1,
    compression: options.compression ?? parts.compression,
  };
}

/** Magic, version 3, a multicast, ordinary. */
const TOTEM_START = [0x70, 0xc0, 3, 1, 2];

/** A transport with a recorder in place of Totem; driven by `step`, without a thread of its own. */
export class TestNode {
  readonly arena = Arena.map(64 << 20);
  readonly log: { level: LogLevel; subsystem: LogSubsystem; message: string }[] = [];
  readonly received: Buffer[] = [];
  readonly died: number[] = [];
  readonly silences: { nodeId: number; silentMs: number }[] = [];
  receivedCount = 0;
  keep = true;
  readonly watched = new Set<number>();
  readonly statistics = new Map<string, number>();
  private readonly values = new Float64Array(65_536);
  readonly transport: KnetTransport;
  readonly threads: Worker[] = [];
  private readonly frame: number;
  onMessage: ((offset: number, length: number) => void) | null = null;

  constructor(public config: TotemConfig) {
    this.frame = this.arena.allocate(70_000, 64);
    this.transport = new KnetTransport(this.host(), config);
  }

  private host(): TransportHost {
    return {
      nodeId: this.config.nodeId,
      arena: this.arena,
      transmit: this.transmitThreads(),
      receive: (offset, length) => {
        this.receivedCount++;
        if (this.keep) this.received.push(Buffer.from(this.arena.u8.slice(offset, offset + length)));
        this.onMessage?.(offset, length);
      },
      noteOwnCopies: () => {},
      interfaceUp: () => {},
      interfaceDown: () => {},
      memberDied: (nodeId) => this.died.push(nodeId),
      linkReport: () => {},
      memberSilent: (nodeId, silentMs) => this.silences.push({ nodeId, silentMs }),
      watch: (fd) => this.watched.add(fd),
      unwatch: (fd) => this.watched.delete(fd),
      nowMs: () => {
        const [seconds, nanoseconds] = process.hrtime();
        return seconds * 1000 + nanoseconds / 1e6;
      },
      random: () => 0.5,
      ringKey: (fingerprint) => KEYS.get(fingerprint) ?? null,
      log: (level, subsystem, message) => this.log.push({ level, subsystem, message }),
      counter: (name): StatCounter => {
        let slot = this.statistics.get(name);
        if (slot === undefined) {
          slot = this.statistics.size;
          this.statistics.set(name, slot);
        }
        return { values: this.values, slot };
      },
    };
  }

  private transmitThreads(): TransmitBuffers | null {
    if (TRANSMIT_THREADS === 0) return null;
    const buffers = allocateTransmit(TRANSMIT_THREADS);
    for (let index = 0; index < buffers.threads; index++) {
      const workerData: TransmitThreadData = { buffers, index, schedRr: false, schedPriority: 0 };
      this.threads.push(new Worker(new URL('../../../workers/transmit.js', import.meta.url), { workerData }));
    }
    return buffers;
  }

  open(): this {
    this.transport.open();
    return this;
  }

  step(): number {
    const handled = this.transport.poll(1_000);
    this.transport.tick();
    return handled;
  }

  /** A message to everybody, with a Totem header; its body is `fill`. */
  multicast(length: number, fill = 1): void {
    this.write(length, fill);
    this.transport.multicast(this.frame, length, 1, 0);
  }

  sendToken(target: number, length: number, fill = 2): void {
    this.write(length, fill);
    this.transport.sendToken(target, this.frame, length, 0);
  }

  private write(length: number, fill: number): void {
    const { u8 } = this.arena;
    u8.fill(fill, this.frame, this.frame + length);
    for (let i = 0; i < TOTEM_START.length && i < length; i++) u8[this.frame + i] = TOTEM_START[i]!;
    if (length >= 13) u8.fill(0, this.frame + 5, this.frame + 13);
  }

  count(name: string): number {
    const slot = this.statistics.get(name);
    return slot === undefined ? 0 : this.values[slot]!;
  }

  stat(name: string): number {
    const slot = this.statistics.get(`stats.knet.${name}`);
    return slot === undefined ? Number.NaN : this.values[slot]!;
  }

  /** Why packets were dropped. A busy machine responds late now and then: that does not count. */
  drops(): Record<string, number> {
    const drops: Record<string, number> = {};
    for (const [name, slot] of this.statistics) {
      const count = this.values[slot]!;
      const reason = /^rondo\.dropped\.knet\.(.*)$/.exec(name)?.[1];
      if (reason !== undefined && reason !== 'late_pong' && count > 0) drops[reason] = count;
    }
    return drops;
  }

  connected(nodeId: number, linkId = 0): boolean {
    return this.transport.core.hosts.find(nodeId)?.links[linkId]?.connected ?? false;
  }

  close(): void {
    this.transport.close();
  }
}

/** Steps the nodes until the condition holds or the time is up; returns whether it held. */
export async function until(nodes: readonly TestNode[], ms: number, condition: () => boolean): Promise<boolean> {
  const end = performance.now() + ms * (TRANSMIT_THREADS > 0 ? THREADS_MS_FACTOR : 1);
  while (!condition()) {
    if (performance.now() > end) return false;
    let busy = 0;
    for (const node of nodes) busy += node.step();
    if (busy === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return true;
}
