import { type AddressWords, mapIpv4 } from '../../src/knet/address.ts';
import type { KnetConfig } from '../../src/knet/config.ts';
import { KnetCore } from '../../src/knet/core.ts';
import type { CryptoSuite } from '../../src/knet/crypto.ts';
import { dropName } from '../../src/knet/drops.ts';
import type { KnetReport } from '../../src/knet/effects.ts';
import { knetLayout } from '../../src/knet/layout.ts';
import type { Link } from '../../src/knet/link.ts';
import { timeOnWireMs } from '../../src/knet/ping-packet.ts';
import { RxBatch } from '../../src/knet/rx-batch.ts';
import { LocalStats } from '../../src/knet/stats.ts';
import { Arena } from '../../src/os/arena.ts';
import { LibraryCompression } from '../../src/transport/knet/library-compression.ts';
import { handleDefaults, hostConfig } from './helpers.ts';

/**
 * One core on a bench: packets are put in by hand and what it wants to send is caught. Its memory is an arena, so that real
 * crypto can work in it. Node 1, with hosts 2 and 3 on links 0 and 1.
 */
export class BenchNode {
  readonly layout = knetLayout({ assemblyBuffers: 4 });
  readonly arena = Arena.map(this.layout.end);
  readonly stats = new LocalStats();
  readonly sent: { linkIndex: number; bytes: Buffer }[] = [];
  readonly delivered: { from: number; bytes: Buffer }[] = [];
  readonly drops: string[] = [];
  readonly reports: KnetReport[] = [];
  readonly core: KnetCore;
  readonly batch = new RxBatch();
  nowMs = 100_000;
  /** How far the clock goes on each time that the core looks at it. */
  clockStepMs = 0;

  constructor(suite: CryptoSuite | ((arena: Arena) => CryptoSuite) | null = null, options: Partial<KnetConfig> = {}) {
    const memory = { bytes: this.arena.u8, view: this.arena.data };
    this.core = new KnetCore({
      memory,
      layout: this.layout,
      compression: new LibraryCompression(() => undefined),
      stats: this.stats,
      effects: {
        deliver: (_memory, offset, length, from) => this.delivered.push({ from, bytes: this.bytes(offset, length) }),
        transmit: (queue) => {
          for (let run = 0; run < queue.runs; run++) {
            for (let i = 0; i < queue.runCount[run]!; i++) {
              const packet = queue.runFirst[run]! + i;
              const bytes = this.bytes(queue.offset[packet]!, queue.wireLength[packet]!);
              this.sent.push({ linkIndex: queue.runLink[run]!, bytes });
            }
          }
        },
        probe: () => 1_500,
        dropped: (reason) => this.drops.push(dropName(reason)),
        report: (report) => this.reports.push(report),
        clockMs: () => {
          this.nowMs += this.clockStepMs;
          return this.nowMs;
        },
      },
    });
    this.core.configure(
      {
        nodeId: 1,
        policy: 'passive',
        hosts: [hostConfig(2, 2), hostConfig(3, 2)],
        ...handleDefaults(),
        compression: { method: 0, thresholdBytes: 0, level: 0 },
        ...options,
      },
      this.nowMs,
    );
    if (suite !== null) {
      this.core.loadCrypto(1, typeof suite === 'function' ? suite(this.arena) : suite);
      this.core.useCrypto(1);
      this.core.allowClear(false);
    }
  }

  private bytes(offset: number, length: number): Buffer {
    return Buffer.from(this.arena.u8.slice(offset, offset + length));
  }

  /** Takes in one datagram from an address. */
  put(bytes: Uint8Array, source: AddressWords = peer(2, 0)): void {
    this.arena.u8.set(bytes, this.layout.rxAt);
    const [a, b, c, d] = source.words;
    this.batch.clear();
    this.batch.add(this.layout.rxAt, bytes.length, this.core.addresses.lookup(a, b, c, d), 0);
    this.core.receive(this.batch, this.nowMs);
    this.core.flush();
  }

  /** Declares a link up, as the third PONG would. */
  raise(nodeId: number, linkId = 0): void {
    const link = this.core.hosts.find(nodeId)!.links[linkId]!;
    for (let i = 0; i < 3; i++) {
      this.nowMs++;
      this.pong(1, link);
    }
    this.sent.length = 0;
  }

  /** A PONG to a PING that left so long ago. */
  pong(agoMs: number, link: Link = this.core.hosts.find(2)!.links[0]!): void {
    const timeMs = this.nowMs - agoMs;
    link.pingWritten(timeOnWireMs(timeMs));
    this.put(pong(timeMs, link.linkId, link.host.nodeId), peer(link.host.nodeId, link.linkId));
  }

  /** Everything that a packet could change, for "nothing changed". */
  state(): string {
    return JSON.stringify([
      this.core.hosts.list.map((host) => [
        host.nodeId,
        host.window.newest,
        host.reassembler.held,
        host.lastUntimedSeq,
        host.dataSinceTimed,
        host.links.map((link) => [link?.connected, link?.hasPong, link?.averageLatencyUs, link?.dataMtu]),
      ]),
      this.core.seq,
      this.core.dataMtu,
      this.delivered.length,
      [...this.stats.names].filter(([name]) => !name.startsWith('rondo.')).map(([, slot]) => this.stats.values[slot]),
    ]);
  }

  close(): void {
    this.core.close();
    this.arena.unmap();
  }
}

export const peer = (nodeId: number, linkId: number): AddressWords => ({
  family: 4,
  words: mapIpv4((10 << 24) | (linkId << 16) | nodeId),
});

function internal(type: number, nodeId: number, link: number, timeMs: number, seq: number, timed: number): Buffer {
  const packet = Buffer.alloc(26);
  packet.set([1, type]);
  packet.writeUInt16BE(nodeId, 2);
  packet[6] = link;
  const seconds = Math.floor(timeMs / 1000);
  packet.writeBigUInt64LE(BigInt(seconds), 7);
  packet.writeBigUInt64LE(BigInt(Math.round((timeMs - seconds * 1000) * 1e6)), 15);
  packet.writeUInt16BE(seq, 23);
  packet[25] = timed;
  return packet;
}

export const ping = (timeMs: number, link = 0, nodeId = 2, seq = 0, timed = 1): Buffer =>
  internal(0x81, nodeId, link, timeMs, seq, timed);
export const pong = (timeMs: number, link = 0, nodeId = 2, seq = 0): Buffer =>
  internal(0x82, nodeId, link, timeMs, seq, 1);

export interface DataOptions {
  readonly nodeId?: number;
  readonly seq?: number;
  readonly compress?: number;
  readonly fragNum?: number;
  readonly fragSeq?: number;
  readonly channel?: number;
}

export function data(payload: Uint8Array, options: DataOptions = {}): Buffer {
  const header = Buffer.alloc(14);
  header.set([1, 0]);
  header.writeUInt16BE(options.nodeId ?? 2, 2);
  header.writeUInt16BE(options.seq ?? 1, 6);
  header[8] = options.compress ?? 0;
  header[10] = 1;
  header[11] = options.fragNum ?? 1;
  header[12] = options.fragSeq ?? 0;
  header[13] = options.channel ?? 0;
  return Buffer.concat([header, payload]);
}
