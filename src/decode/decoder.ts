import { PacketType } from '../knet/constants.ts';
import { readType } from '../knet/header.ts';
import { ASSEMBLY_BUFFER_BYTES } from '../knet/reassembly.ts';
import { counted } from '../lib/counted.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import { Arena } from '../os/arena.ts';
import { LibraryCompression } from '../transport/knet/library-compression.ts';
import type { Datagram } from './datagrams.ts';
import type { Fact, SeenFact } from './fact.ts';
import { ASSEMBLY_BUFFERS, KnetMessages } from './knet-messages.ts';
import { internalFact, looksLikeClearKnet, looksLikeKnet, readDataPacket } from './knet-packet.ts';
import { type Opened, Opener } from './opener.ts';
import { RecentPackets } from './recent-packets.ts';
import { clearSegmentBytes, cutInto, SegmentSizes } from './segments.ts';
import { frameFact, looksLikeTotem } from './totem-frame.ts';

const AREA_BYTES = 65_536;
const EXPAND_BYTES = AREA_BYTES + 4_096;
const SLACK_BYTES = 4_096;

/** What a capture had in all. */
export interface DecodeCounts {
  /** UDP datagrams. */
  datagrams: number;
  decoded: number;
  /** The same packet twice in the capture: of two interfaces, or of both ends. */
  repeated: number;
  /** Packets cut by the capture. */
  cut: number;
  /** What nothing opens, or what is no packet of a ring, by the port it went to. */
  readonly unopened: Map<number, number>;
  /** What opened sealed packets, and how many. */
  readonly suites: Map<string, number>;
  clear: number;
}

/** From datagrams to what they say: knet in clear or sealed, udp and udpu. */
export class Decoder {
  readonly counts: DecodeCounts = {
    datagrams: 0,
    decoded: 0,
    repeated: 0,
    cut: 0,
    unopened: new Map(),
    suites: new Map(),
    clear: 0,
  };
  private readonly arena: Arena;
  private readonly memory: FrameMemory;
  private readonly packetAt: number;
  private readonly opener: Opener;
  private readonly messages: KnetMessages;
  private readonly sizes = new SegmentSizes();
  private readonly recent = new RecentPackets();
  private readonly missingLibraries = new Set<string>();

  constructor(keys: readonly Uint8Array[]) {
    const bytes = 2 * AREA_BYTES + EXPAND_BYTES + ASSEMBLY_BUFFERS * ASSEMBLY_BUFFER_BYTES;
    this.arena = Arena.map(bytes + SLACK_BYTES);
    this.memory = { bytes: this.arena.u8, view: this.arena.data };
    this.packetAt = this.arena.allocate(2 * AREA_BYTES, 64);
    const expandAt = this.arena.allocate(EXPAND_BYTES, 64);
    const assemblyAt = this.arena.allocate(ASSEMBLY_BUFFERS * ASSEMBLY_BUFFER_BYTES, 64);
    this.opener = new Opener(this.arena, keys, AREA_BYTES);
    const compression = new LibraryCompression((model, library) => this.missingLibraries.add(`${model} (${library})`));
    this.messages = new KnetMessages(this.memory, assemblyAt, expandAt, AREA_BYTES, compression);
  }

  /** Models whose library this machine has not got. */
  get missingCompression(): readonly string[] {
    return [...this.missingLibraries];
  }

  get copies(): number {
    return this.messages.copies;
  }

  /** Nothing where the packet is of no ring, only a piece, or a copy of what was there; several where the kernel was given several in one. */
  read(packet: Datagram): readonly SeenFact[] {
    const { counts } = this;
    counts.datagrams++;
    if (packet.payload.length === 0) return [];
    if (this.recent.knows(packet)) {
      counts.repeated++;
      return [];
    }
    return this.facts(packet).flatMap((fact) => (fact === null ? [] : [{ ...fact, packet }]));
  }

  private facts(packet: Datagram): (Fact | null)[] {
    const { payload } = packet;
    if (packet.missingBytes > 0) {
      this.counts.cut++;
      const text = `cut by the capture after ${payload.length} of ${payload.length + packet.missingBytes} bytes`;
      return [{ kind: 'cut', node: 0, text, data: { bytes: payload.length, missingBytes: packet.missingBytes } }];
    }
    // Sealed first: sealed bytes can look like clear ones, and not the other way round.
    const opened = this.open(payload, false);
    if (opened !== null) return [this.knet(packet, opened)];
    const pieces = this.openPieces(packet);
    if (pieces !== null) return pieces;
    const size = clearSegmentBytes(payload);
    const clear = size === 0 ? [payload] : [...cutInto(payload, size)];
    return clear.map((bytes) => this.clear(packet, bytes));
  }

  private clear(packet: Datagram, bytes: Uint8Array): Fact | null {
    const { memory, packetAt, counts } = this;
    const length = this.put(bytes);
    const totem = looksLikeTotem(memory.view, packetAt, length);
    if (!totem && !looksLikeClearKnet(memory, packetAt, length)) return this.unopened(packet, length);
    counts.clear++;
    if (!totem) return this.knet(packet, { at: packetAt, length });
    counts.decoded++;
    return frameFact(memory.view, packetAt, length, 0);
  }

  private put(bytes: Uint8Array): number {
    const length = Math.min(bytes.length, AREA_BYTES);
    this.memory.bytes.set(bytes.subarray(0, length), this.packetAt);
    return length;
  }

  private open(bytes: Uint8Array, knownOnly: boolean): Opened | null {
    const opened = this.opener.open(this.packetAt, this.put(bytes), knownOnly);
    if (opened === null || !looksLikeKnet(this.memory, opened.at, opened.length)) return null;
    const { suites } = this.counts;
    suites.set(opened.suite, (suites.get(opened.suite) ?? 0) + 1);
    return opened;
  }

  /** `null`: it is no run of sealed packets either. */
  private openPieces(packet: Datagram): (Fact | null)[] | null {
    const { payload } = packet;
    if (!this.opener.hasOpened) return null;
    for (const size of this.sizes.candidates(payload.length)) {
      if (this.opener.open(this.packetAt, this.put(payload.subarray(0, size)), true) === null) continue;
      this.sizes.note(size);
      return [...cutInto(payload, size)].map((bytes) => {
        const opened = this.open(bytes, true);
        return opened === null ? this.unopened(packet, bytes.length) : this.knet(packet, opened);
      });
    }
    return null;
  }

  private unopened(packet: Datagram, length: number): Fact {
    const { unopened } = this.counts;
    unopened.set(packet.toPort, (unopened.get(packet.toPort) ?? 0) + 1);
    const text = this.opener.hasKeys
      ? `${counted(length, 'byte')} that none of the keys opens`
      : `${counted(length, 'byte')} that are no packet of a ring in clear`;
    return { kind: 'sealed', node: 0, text, data: { bytes: length } };
  }

  private knet(packet: Datagram, { at, length }: { readonly at: number; readonly length: number }): Fact | null {
    const { memory } = this;
    this.counts.decoded++;
    if (readType(memory, at) !== PacketType.DATA) return internalFact(memory, at);
    const data = readDataPacket(memory, at, length);
    const message = this.messages.read(data, packet.timeMs);
    if (message.kind === 'message') return frameFact(memory.view, message.at, message.length, data.node);
    if (message.kind === 'nothing') return null;
    return {
      kind: 'damaged',
      node: data.node,
      text: `node ${data.node}: ${message.reason}`,
      data: { why: message.reason },
    };
  }

  /** Overwrites the keys and what was opened with them. */
  close(): void {
    this.opener.wipe();
    this.arena.u8.fill(0);
    this.arena.unmap();
  }
}
