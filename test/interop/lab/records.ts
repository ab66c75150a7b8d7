/** What a `cpgload` member wrote down (see test/interop/c/cpgload.c). */
export interface GroupRecord {
  /** Lines `S`, `M`, `C` and `T` in order, unparsed. */
  readonly lines: readonly string[];
}

export interface Message {
  readonly nodeId: number;
  readonly pid: number;
  readonly ordinal: number;
  readonly size: number;
  readonly crc: string;
}

export function parseRecord(text: string): GroupRecord {
  const end = text.lastIndexOf('\n');
  return { lines: end < 0 ? [] : text.slice(0, end).split('\n') };
}

export function messagesOf(record: GroupRecord): Message[] {
  const found: Message[] = [];
  for (const line of record.lines) {
    if (!line.startsWith('M ')) continue;
    const [, nodeId = '', pid = '', ordinal = '', size = '', crc = ''] = line.split(' ');
    found.push({ nodeId: Number(nodeId), pid: Number(pid), ordinal: Number(ordinal), size: Number(size), crc });
  }
  return found;
}

/** The part of a record from its last configuration with exactly these members (`nodeid:pid`, any order) on. */
export function sinceConfiguration(record: GroupRecord, members: readonly string[]): GroupRecord {
  const wanted = [...members].sort().join(' ');
  const at = record.lines.findLastIndex((line) => line.startsWith('C ') && membersOf(line).sort().join(' ') === wanted);
  return { lines: at < 0 ? [] : record.lines.slice(at) };
}

export function membersOf(line: string): string[] {
  return (line.slice(1).split('|')[0] ?? '').trim().split(' ').filter(Boolean);
}

/** What the group saw, without what only the own process did: the common order of all its members. */
export function commonLines(record: GroupRecord): string[] {
  return record.lines.filter((line) => line.startsWith('M ') || line.startsWith('C '));
}

/**
 * The first difference between what two members saw, or `null`. Without `ordinals` only what members with different
 * pasts have in common counts: not how many messages of a sender came before, nor who is new to them.
 */
export function firstDifference(one: readonly string[], other: readonly string[], ordinals = true): string | null {
  const length = Math.max(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const a = normalise(one[at], ordinals);
    const b = normalise(other[at], ordinals);
    if (a !== b) return `line ${at} of ${one.length}/${other.length}: ${one[at] ?? 'end'} ≠ ${other[at] ?? 'end'}`;
  }
  return null;
}

function normalise(line: string | undefined, ordinals: boolean): string | undefined {
  if (line === undefined || ordinals) return line;
  // Who joined and who left depends on the side from which one comes to a merge.
  if (!line.startsWith('M ')) return membersOf(line).sort().join(' ');
  const [kind, nodeId, pid, , size, crc] = line.split(' ');
  return [kind, nodeId, pid, size, crc].join(' ');
}

/** Checks that a sender's messages arrived at `receiver` once each, whole and in the order of sending. */
export function lostOrDamaged(sender: GroupRecord, receiver: GroupRecord, nodeId: number, pid: number): string | null {
  const sent = sender.lines.filter((line) => line.startsWith('S ')).map((line) => line.split(' ').slice(2).join(' '));
  const got = messagesOf(receiver).filter((message) => message.nodeId === nodeId && message.pid === pid);
  for (const [at, text] of sent.entries()) {
    const message = got[at];
    const seen = message === undefined ? 'nothing' : `${message.size} ${message.crc}`;
    if (seen !== text) return `message ${at} of ${sent.length} from ${nodeId}:${pid}: sent ${text}, delivered ${seen}`;
  }
  return got.length === sent.length ? null : `${got.length - sent.length} messages too many from ${nodeId}:${pid}`;
}
