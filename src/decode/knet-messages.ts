import { Compression, type CompressionProvider } from '../knet/compression.ts';
import { KNET } from '../knet/constants.ts';
import { AssemblyPool, Fragment, Reassembler } from '../knet/reassembly.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import type { DataPacket } from './knet-packet.ts';

export const ASSEMBLY_BUFFERS = 64;
const SENDERS_MAX = 512;
const NUMBERS = 65_536;
/** A number that comes again within this time is the same message, to another node or over another link. */
const COPY_MS = 500;

interface Sender {
  readonly reassembler: Reassembler;
  /** When each number was seen last as a whole message. */
  readonly seenMs: Float64Array;
}

export type KnetMessage =
  | { readonly kind: 'message'; readonly at: number; readonly length: number }
  /** A copy, or a piece of what is not complete. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'damaged'; readonly reason: string };

const NOTHING: KnetMessage = { kind: 'nothing' };

/** Messages out of DATA packets: pieces joined, compressed ones expanded, each once although every node got its copy. */
export class KnetMessages {
  copies = 0;
  private readonly pool: AssemblyPool;
  private readonly senders = new Map<number, Sender>();

  constructor(
    private readonly memory: FrameMemory,
    assemblyAt: number,
    private readonly expandAt: number,
    private readonly expandRoom: number,
    private readonly compression: CompressionProvider,
  ) {
    this.pool = new AssemblyPool(memory, assemblyAt, ASSEMBLY_BUFFERS);
  }

  read(packet: DataPacket, timeMs: number): KnetMessage {
    const { node, seq, fragNum, fragSeq } = packet;
    if (
      seq === 0 ||
      fragNum === 0 ||
      fragNum > KNET.fragmentsMax ||
      fragSeq > fragNum ||
      (fragNum > 1 && fragSeq === 0)
    )
      return { kind: 'damaged', reason: `piece ${fragSeq} of ${fragNum} of message number ${seq}` };
    const sender = this.sender(node);
    if (sender === null) return { kind: 'damaged', reason: `more than ${SENDERS_MAX} senders` };
    if (Math.abs(timeMs - sender.seenMs[seq]!) < COPY_MS) {
      this.copies++;
      return NOTHING;
    }
    if (fragNum === 1) {
      sender.seenMs[seq] = timeMs;
      return this.expand(packet.compress, packet.at, packet.length);
    }
    return this.piece(sender, packet, timeMs);
  }

  private piece(sender: Sender, packet: DataPacket, timeMs: number): KnetMessage {
    const { seq, fragNum, fragSeq } = packet;
    const { reassembler } = sender;
    const buffer = reassembler.find(seq) ?? reassembler.start(seq, fragNum);
    const result = buffer.add(fragNum, fragSeq, this.memory, packet.at, packet.length);
    if (result === Fragment.TAKEN) return NOTHING;
    const { offset, length } = buffer;
    reassembler.finish(buffer);
    if (result === Fragment.BAD)
      return { kind: 'damaged', reason: `a piece of message number ${seq} that does not fit` };
    sender.seenMs[seq] = timeMs;
    return this.expand(packet.compress, offset, length);
  }

  private expand(method: number, at: number, length: number): KnetMessage {
    if (method === 0) return { kind: 'message', at, length };
    const bytes = this.compression.decompress(method, this.memory, at, length, this.expandAt, this.expandRoom);
    if (bytes >= 0) return { kind: 'message', at: this.expandAt, length: bytes };
    const unknown = bytes === Compression.UNKNOWN;
    return {
      kind: 'damaged',
      reason: unknown ? `compression ${method} cannot be expanded here` : 'compressed bytes that do not expand',
    };
  }

  private sender(node: number): Sender | null {
    const known = this.senders.get(node);
    if (known !== undefined) return known;
    if (this.senders.size >= SENDERS_MAX) return null;
    const made = {
      reassembler: new Reassembler(this.pool),
      seenMs: new Float64Array(NUMBERS).fill(Number.NEGATIVE_INFINITY),
    };
    this.senders.set(node, made);
    this.pool.setHostCount(this.senders.size);
    return made;
  }
}
