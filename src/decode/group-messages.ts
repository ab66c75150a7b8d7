import { counted } from '../lib/counted.ts';
import { viewOf } from '../services/codec/struct.ts';
import { checkPacket, PG } from '../totem/wire/pg-packet.ts';
import { messageOfService } from './service-text.ts';

/** One message in a packet of the process-group layer. */
export interface GroupMessage {
  readonly group: string;
  /** `cpg`, `votequorum` … */
  readonly service: string;
  /** What it is, without what differs from one to the next. */
  readonly name: string;
  readonly text: string;
  /** Ordinary data of clients. */
  readonly payload: boolean;
}

const GROUPS_MAX = 32;

/** The messages that begin in a packet; what continues an earlier one is named as that. */
export function groupMessages(view: DataView, at: number, length: number, little: boolean): readonly GroupMessage[] {
  if (checkPacket(view, at, length, little) < 0)
    return [other('?', 'damaged', 'a packet whose lengths contradict each other')];
  const count = view.getUint16(at + PG.msgCount, little);
  const continued = view.getUint8(at + PG.continuation) !== 0;
  const fragmented = view.getUint8(at + PG.fragmented) !== 0;
  const messages: GroupMessage[] = [];
  let piece = at + PG.lengths + 2 * count;
  for (let i = 0; i < count; i++) {
    const bytes = view.getUint16(at + PG.lengths + 2 * i, little);
    if (i === 0 && continued) messages.push(other('?', 'continuation', `${bytes} bytes more of the message before`));
    else if (bytes > 0) messages.push(begin(view, piece, bytes, little, fragmented && i === count - 1));
    piece += bytes;
  }
  return messages;
}

const other = (group: string, name: string, text: string): GroupMessage => ({
  group,
  service: '?',
  name,
  text,
  payload: false,
});

function begin(view: DataView, at: number, length: number, little: boolean, cut: boolean): GroupMessage {
  const groups = length >= 2 ? view.getUint16(at, little) : 0;
  if (groups === 0 || groups > GROUPS_MAX || length < 2 + 2 * groups)
    return other('?', 'damaged', 'a message without a group');
  const first = view.getUint16(at + 2, little);
  let names = 0;
  for (let i = 0; i < groups; i++) names += view.getUint16(at + 2 + 2 * i, little);
  const start = 2 + 2 * groups;
  if (length < start + names) return other('?', 'damaged', 'a message that is shorter than its group names');
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
  const group = Buffer.from(bytes.subarray(start, start + first)).toString('latin1');
  const body = bytes.subarray(start + names);
  const more = cut ? ', goes on in the next packet' : '';
  if (!little)
    return other(group, 'foreign', `${counted(body.length, 'byte')} to group ${group}, in the other byte order${more}`);
  const described = messageOfService(group, viewOf(body), body);
  return { group, ...described, text: `${described.text}${more}` };
}
