import { KNET, PacketType } from '../knet/constants.ts';
import { readChannel, readCompress, readDataSeq, readFragNum, readFragSeq } from '../knet/data-packet.ts';
import { readNode, readType, readVersion } from '../knet/header.ts';
import { readLink, readPingSeq } from '../knet/ping-packet.ts';
import { readPmtudSize } from '../knet/pmtud-packet.ts';
import { counted } from '../lib/counted.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import type { Fact } from './fact.ts';

const MINIMUM_BYTES: ReadonlyMap<number, number> = new Map([
  [PacketType.DATA, KNET.dataHeaderBytes + 1],
  [PacketType.PING, KNET.pingBytes],
  [PacketType.PONG, KNET.pingBytes],
  [PacketType.PMTUD, KNET.pmtudBytes],
  [PacketType.PMTUD_REPLY, KNET.pmtudBytes],
]);

/** More than knet has or plans (knet.md 6). */
const COMPRESS_MODELS = 16;

export const isKnetType = (type: number): boolean => MINIMUM_BYTES.has(type);

/** A packet in clear that can be one of knet: ours is one of many protocols on the wire. */
export function looksLikeKnet(memory: FrameMemory, at: number, length: number): boolean {
  if (length < KNET.packetBytesMin || readVersion(memory, at) !== KNET.wireVersion) return false;
  const least = MINIMUM_BYTES.get(readType(memory, at));
  if (least === undefined || length < least || readNode(memory, at) === 0) return false;
  if (readType(memory, at) !== PacketType.DATA) return readLink(memory, at) < KNET.linksMax;
  return (
    readCompress(memory, at) < COMPRESS_MODELS &&
    readFragSeq(memory, at) <= readFragNum(memory, at) &&
    readChannel(memory, at) < KNET.channelsMax
  );
}

/**
 * The same for one packet that nothing was sealed around. Sealed bytes are random: of thousands of packets, some look like a PING by version,
 * type and link alone, and a capture that no key opens would then be one that was read. A PING has one size, which no sealed packet has.
 */
export function looksLikeClearKnet(memory: FrameMemory, at: number, length: number): boolean {
  if (!looksLikeKnet(memory, at, length)) return false;
  const type = readType(memory, at);
  return (type !== PacketType.PING && type !== PacketType.PONG) || length === KNET.pingBytes;
}

/** DATA of knet: a message, or a piece of one. */
export interface DataPacket {
  readonly node: number;
  readonly seq: number;
  readonly fragNum: number;
  readonly fragSeq: number;
  readonly compress: number;
  readonly at: number;
  readonly length: number;
}

export function readDataPacket(memory: FrameMemory, at: number, length: number): DataPacket {
  return {
    node: readNode(memory, at),
    seq: readDataSeq(memory, at),
    fragNum: readFragNum(memory, at),
    fragSeq: readFragSeq(memory, at),
    compress: readCompress(memory, at),
    at: at + KNET.dataHeaderBytes,
    length: length - KNET.dataHeaderBytes,
  };
}

/** What a packet says that knet sends to itself. */
export function internalFact(memory: FrameMemory, at: number): Fact {
  const node = readNode(memory, at);
  const link = readLink(memory, at);
  switch (readType(memory, at)) {
    case PacketType.PING:
    case PacketType.PONG: {
      const seq = readPingSeq(memory, at);
      const ping = readType(memory, at) === PacketType.PING;
      const text = `${ping ? 'PING' : 'PONG'} of node ${node} on link ${link}, newest message number ${seq}`;
      return { kind: ping ? 'ping' : 'pong', node, text, data: { link, seq } };
    }
    default: {
      const size = readPmtudSize(memory, at);
      const probe = readType(memory, at) === PacketType.PMTUD;
      const text = probe
        ? `node ${node} probes whether ${counted(size, 'byte')} pass link ${link}`
        : `node ${node} confirms that ${counted(size, 'byte')} passed link ${link}`;
      return { kind: probe ? 'pmtud' : 'pmtud-reply', node, text, data: { link, size } };
    }
  }
}
