import { createHash } from 'node:crypto';
import type { LoadMember } from '../lab/load.ts';
import { commonLines, type GroupRecord, messagesOf } from '../lab/records.ts';

/** One sender's message, whichever of the receivers has it: sizes start where no two are alike. */
const identity = (record: GroupRecord): string[] =>
  messagesOf(record).map(({ nodeId, pid, size, crc }) => `${nodeId}:${pid} ${size} ${crc}`);

/**
 * What holds whatever the ring went through: no member has a message twice, and what two of them have, they have in the
 * same order. Returns complaints.
 */
export function compareCommonOrder(members: readonly LoadMember[]): string[] {
  const complaints: string[] = [];
  const lists = members.map((member) => identity(member.record()));
  const places = lists.map((list) => new Map(list.map((message, at) => [message, at])));
  for (const [at, list] of lists.entries()) {
    const name = members[at]?.node.plan.name ?? '';
    if (places[at]?.size !== list.length) complaints.push(`${name} has messages twice`);
    for (let other = at + 1; other < lists.length; other++) {
      let last = -1;
      for (const message of list) {
        const place = places[other]?.get(message);
        if (place === undefined) continue;
        if (place < last) {
          complaints.push(`${name} and ${members[other]?.node.plan.name} have ${message} in another order`);
          break;
        }
        last = place;
      }
    }
  }
  return complaints;
}

/** SHA-256 over what each member saw since its mark, configurations by who is in them; equal at all, or there is a fault. */
export function sequenceDigests(members: readonly LoadMember[]): string[] {
  return members.map((member) => {
    const lines = commonLines(member.sinceMark()).map((line) => {
      if (!line.startsWith('M ')) return (line.split('|')[0] ?? '').trim();
      const [, nodeId, pid, , size, crc] = line.split(' ');
      return [nodeId, pid, size, crc].join(' ');
    });
    return createHash('sha256').update(lines.join('\n')).digest('hex');
  });
}
