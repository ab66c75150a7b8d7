import { counted } from '../lib/counted.ts';
import { type RingId, ringIdText } from '../lib/ring-id.ts';
import { DROP_NAMES, TotemDrop } from '../totem/drop-reason.ts';
import { checkCommitToken, readCommitToken } from '../totem/wire/commit-token.ts';
import { checkHeader, Encapsulated, FrameType, HEADER, isLittleEndian, readU64 } from '../totem/wire/header.ts';
import { decodeHoldCancel, HoldCancel } from '../totem/wire/hold-cancel.ts';
import { checkJoin, readJoin } from '../totem/wire/join.ts';
import { MCAST, MCAST_HEADER_BYTES } from '../totem/wire/mcast.ts';
import { decodeMergeDetect, MergeDetect } from '../totem/wire/merge-detect.ts';
import { decodeOrfToken, OrfToken } from '../totem/wire/orf-token.ts';
import { checkSilence, readSilence } from '../totem/wire/silence.ts';
import type { Fact } from './fact.ts';
import { groupMessages } from './group-messages.ts';

const NUMBERS_SHOWN = 12;
const token = new OrfToken();
const mergeDetect = new MergeDetect();
const holdCancel = new HoldCancel();

/** Whether the bytes begin as a frame of Totem does. */
export const looksLikeTotem = (view: DataView, at: number, length: number): boolean =>
  checkHeader(view, at, length) === TotemDrop.NONE;

/** What a frame of Totem says; the transport knows who sent it, as `from`, or 0. */
export function frameFact(view: DataView, at: number, length: number, from: number): Fact {
  const header = checkHeader(view, at, length);
  if (header !== TotemDrop.NONE) return damaged(from, 'a frame', header);
  const little = isLittleEndian(view, at);
  switch (view.getUint8(at + HEADER.type)) {
    case FrameType.ORF_TOKEN:
      return tokenFact(view, at, length, little);
    case FrameType.MCAST:
      return messageFact(view, at, length, little, from);
    case FrameType.MERGE_DETECT: {
      const bad = decodeMergeDetect(view, at, length, little, mergeDetect);
      if (bad !== TotemDrop.NONE) return damaged(from, 'a MERGE_DETECT', bad);
      const node = mergeDetect.systemFrom;
      const ring = ringIdText({ rep: mergeDetect.ringRep, seq: mergeDetect.ringSeq });
      return { kind: 'merge-detect', node, text: `MERGE_DETECT: node ${node} is in ring ${ring}`, data: { ring } };
    }
    case FrameType.JOIN:
      return joinFact(view, at, length, little, from);
    case FrameType.COMMIT_TOKEN:
      return commitFact(view, at, length, little, from);
    case FrameType.HOLD_CANCEL: {
      const bad = decodeHoldCancel(view, at, length, little, holdCancel);
      if (bad !== TotemDrop.NONE) return damaged(from, 'a HOLD_CANCEL', bad);
      const node = view.getUint32(at + HEADER.nodeId, little);
      const ring = ringIdText({ rep: holdCancel.ringRep, seq: holdCancel.ringSeq });
      return {
        kind: 'hold-cancel',
        node,
        text: `node ${node} wants the token of ring ${ring} at once`,
        data: { ring },
      };
    }
    default:
      return silenceFact(view, at, length, little, from);
  }
}

function damaged(node: number, what: string, reason: number): Fact {
  const why = DROP_NAMES[reason]!;
  return { kind: 'damaged', node, text: `${what} that no node would take: ${why}`, data: { why } };
}

function tokenFact(view: DataView, at: number, length: number, little: boolean): Fact {
  const node = view.getUint32(at + HEADER.nodeId, little);
  const bad = decodeOrfToken(view, at, length, little, token);
  if (bad !== TotemDrop.NONE) return damaged(node, 'a token', bad);
  const ring = ringIdText({ rep: token.ringRep, seq: token.ringSeq });
  const missing = [...token.rtrSeq.subarray(0, token.rtrCount)];
  const { seq, tokenSeq, aru, aruAddr, backlog, fcc, retransFlg } = token;
  const parts = [
    `token ${tokenSeq} of ring ${ring} from node ${node}: sent up to ${seq}`,
    aru === seq
      ? 'received by all'
      : `received by all up to ${aru}${aruAddr === 0 ? '' : ` (node ${aruAddr} has no more)`}`,
    ...(fcc === 0 && backlog === 0 ? [] : [`flow control ${fcc}, waiting ${backlog}`]),
    ...(retransFlg === 0 ? [] : ['recovery goes on']),
    ...(missing.length === 0 ? [] : [`asks for ${numbersText(missing)}`]),
  ];
  const data = {
    ring,
    tokenSeq,
    seq,
    aru,
    aruNode: aruAddr,
    backlog,
    flowControl: fcc,
    recovering: retransFlg !== 0,
    missing,
  };
  return { kind: 'token', node, text: parts.join(', '), data };
}

export function numbersText(numbers: readonly number[]): string {
  const shown = numbers.slice(0, NUMBERS_SHOWN).join(' ');
  return numbers.length > NUMBERS_SHOWN ? `${shown} and ${numbers.length - NUMBERS_SHOWN} more` : shown;
}

function joinFact(view: DataView, at: number, length: number, little: boolean, from: number): Fact {
  const bad = checkJoin(view, at, length, little);
  if (bad !== TotemDrop.NONE) return damaged(from, 'a JOIN', bad);
  const { leave, systemFrom: node, ringSeq, proc, failed } = readJoin(view, at, little);
  const lost = failed.length === 0 ? 'nobody failed' : `failed: ${failed.join(' ')}`;
  const text = leave
    ? `LEAVE: node ${node} ends in order`
    : `JOIN: node ${node} wants a ring of ${proc.join(' ')}, ${lost}, its last ring has the number ${ringSeq.toString(16)}`;
  return { kind: leave ? 'leave' : 'join', node, text, data: { ringSeq, processors: proc, failed } };
}

function commitFact(view: DataView, at: number, length: number, little: boolean, from: number): Fact {
  const bad = checkCommitToken(view, at, length, little);
  if (bad !== TotemDrop.NONE) return damaged(from, 'a commit token', bad);
  const commit = readCommitToken(view, at, length, little);
  const node = view.getUint32(at + HEADER.nodeId, little);
  const ring = ringIdText(commit.ringId);
  const filled = commit.entries.filter((entry) => entry.ringId.seq !== 0 || entry.ringId.rep !== 0).length;
  const members = commit.entries.map((entry, i) => ({
    node: commit.addr[i]!,
    oldRing: oldRing(entry.ringId),
    received: entry.aru,
  }));
  const text = `commit token of ring ${ring} from node ${node}: members ${commit.addr.join(' ')}, ${filled} have written their old ring`;
  return { kind: 'commit', node, text, data: { ring, members } };
}

const oldRing = (id: RingId): string | null => (id.rep === 0 && id.seq === 0 ? null : ringIdText(id));

function messageFact(view: DataView, at: number, length: number, little: boolean, from: number): Fact {
  if (length < MCAST_HEADER_BYTES) return damaged(from, 'a message', TotemDrop.SHORT);
  const node = view.getUint32(at + MCAST.systemFrom, little);
  const seq = view.getUint32(at + MCAST.seq, little);
  const ring = ringIdText({
    rep: view.getUint32(at + MCAST.ringRep, little),
    seq: readU64(view, at + MCAST.ringSeq, little),
  });
  const body = at + MCAST.body;
  const bytes = length - MCAST_HEADER_BYTES;
  const recovery = view.getUint8(at + HEADER.encapsulated) === Encapsulated.RECOVERY;
  const start = `message ${seq} of node ${node} in ring ${ring}`;
  if (recovery) {
    const inner = looksLikeTotem(view, body, bytes) ? frameFact(view, body, bytes, node) : null;
    const text = `${start}, in recovery: ${inner === null ? `${counted(bytes, 'byte')}` : inner.text}`;
    return { kind: 'message', node, text, data: { ring, seq, bytes, recovery: inner?.data ?? null, messages: [] } };
  }
  const messages = groupMessages(view, body, bytes, little);
  const text = `${start}, ${counted(bytes, 'byte')}: ${messages.map((message) => message.text).join('; ')}`;
  return { kind: 'message', node, text, data: { ring, seq, bytes, messages } };
}

function silenceFact(view: DataView, at: number, length: number, little: boolean, from: number): Fact {
  const bad = checkSilence(view, at, length, little);
  if (bad !== TotemDrop.NONE) return damaged(from, 'a SILENCE', bad);
  const silence = readSilence(view, at);
  const ring = ringIdText({ rep: silence.ringRep, seq: silence.ringSeq });
  const silent = [...silence.silentMs].map(([node, ms]) => ({ node, ms }));
  const who = silent.map(({ node, ms }) => `node ${node} for ${ms} ms`).join(', ');
  const text = `SILENCE: to node ${silence.from} in ring ${ring} do not reply: ${who === '' ? 'none' : who}`;
  return { kind: 'silence', node: silence.from, text, data: { ring, silent } };
}
