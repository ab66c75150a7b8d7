import type { PersistRecord } from './core.ts';
import { ReplicaLog } from './log.ts';
import type { Base } from './messages.ts';

/** What a member has that stored these records, in order; `null`: it had nothing yet. */
export function baseOf(records: Iterable<PersistRecord>): Base | null {
  const log = new ReplicaLog();
  let epoch: Base['epoch'] = null;
  let snapshot: Uint8Array | null = null;
  for (const record of records) {
    if (record.kind === 'epoch') epoch = record.epoch;
    else if (record.kind === 'entry') log.append(record.entry);
    else {
      log.replace(record.base);
      ({ epoch, snapshot } = record.base);
    }
  }
  return epoch === null ? null : { epoch, ...log.base(), snapshot: snapshot ?? new Uint8Array(0) };
}
