import { frameMemory } from '../../src/lib/frame-memory.ts';
import { commitTokenBytes, readCommitToken } from '../../src/totem/wire/commit-token.ts';
import { Encapsulated, FrameType, HEADER, readU64 } from '../../src/totem/wire/header.ts';
import { readJoin } from '../../src/totem/wire/join.ts';
import { MCAST, MCAST_HEADER_BYTES } from '../../src/totem/wire/mcast.ts';
import { decodeOrfToken, OrfToken } from '../../src/totem/wire/orf-token.ts';

export const FRAME_NAMES = ['ORF', 'MCAST', 'MERGE', 'JOIN', 'COMMIT', 'CANCEL'] as const;
export type FrameName = (typeof FRAME_NAMES)[number];

export const frameName = (frame: Uint8Array): FrameName => FRAME_NAMES[frame[HEADER.type]!]!;

/** One line about a frame, in the words of totem.md. */
export function frameText(frame: Uint8Array): string {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const ring = (at: number) => `${view.getUint32(at, true).toString(16)}.${readU64(view, at + 4, true).toString(16)}`;
  switch (frame[HEADER.type]) {
    case FrameType.ORF_TOKEN: {
      const t = new OrfToken();
      decodeOrfToken(view, 0, frame.length, true, t);
      const aru = t.aru === 0xffffffff ? 'none' : `${t.aru}`;
      const rtr = t.rtrCount === 0 ? '' : ` rtr [${t.rtrSeq.subarray(0, t.rtrCount).join(' ')}]`;
      return `ORF ${ring(29)} #${t.tokenSeq} seq ${t.seq} aru ${aru} by ${t.aruAddr} backlog ${t.backlog} fcc ${t.fcc} retrans ${t.retransFlg}${rtr}`;
    }
    case FrameType.MCAST: {
      const inner = frame[HEADER.encapsulated] === Encapsulated.RECOVERY;
      const old = inner ? ` holds ${view.getUint32(MCAST_HEADER_BYTES + MCAST.seq, true)}` : '';
      return `MCAST ${ring(MCAST.ringRep)} seq ${view.getUint32(MCAST.seq, true)} of ${view.getUint32(HEADER.nodeId, true)}${old}`;
    }
    case FrameType.MERGE_DETECT:
      return `MERGE ${ring(17)}`;
    case FrameType.JOIN: {
      const join = readJoin(view, 0, true);
      return `${join.leave ? 'LEAVE' : 'JOIN'} proc [${join.proc}] failed [${join.failed}] ring_seq ${join.ringSeq}`;
    }
    case FrameType.COMMIT_TOKEN: {
      const token = readCommitToken(view, 0, view.byteLength, true);
      return `COMMIT ${ring(17)} #${token.tokenSeq} index ${token.membIndex} of [${token.addr}]`;
    }
    default:
      return `CANCEL ${ring(HEADER.targetNodeId + 4)}`;
  }
}

/** A commit token as a stock node sends it on. */
export function withoutTrailer(frame: Uint8Array): Uint8Array {
  const { view } = frameMemory(frame);
  return frame.slice(0, commitTokenBytes(readCommitToken(view, 0, frame.length, true).addr.length));
}
