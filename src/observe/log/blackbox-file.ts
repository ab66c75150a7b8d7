import { severity } from '../../lib/log.ts';
import { type LogRecord, sanitize } from './format.ts';

/** What libqb's `qb-blackbox` expects first in a file whose entries have times with nanoseconds (its version 2). */
const FILE_HEADER = [0, 0xccbb_ccbb, 0xbbcc_bbcc, 2, 0] as const;
const HEADERS_BYTES = 40;
const RING_VERSION = 1;
const CHUNK_MAGIC = 0xa1a1_a1a1;
const PAGE_BYTES = 4096;
/** Of a format with its arguments; the reader refuses more than 512. */
const TEXT_BYTES_MAX = 500;
const FORMAT = '%s\0';
/** Fixed fields of an entry: line, tags, priority, length of the function's name, time, length of the text. */
const ENTRY_BYTES = 4 + 4 + 1 + 4 + 16 + 4;

/**
 * The flight recorder as libqb writes it, so that `corosync-blackbox` and `qb-blackbox` read it: two headers, then the words of a
 * ring buffer (libqb-ipc.md 3) that holds one chunk a record, oldest first.
 *
 *   | line u32 | tags u32 | priority u8 | n u32 | function, NUL | seconds i64 | nanoseconds i64 | m u32 | format, NUL | argument, NUL |
 *
 * The name of the subsystem stands where stock has the function.
 */
export function blackboxFile(records: readonly LogRecord[]): Uint8Array {
  const entries = records.map(encodeEntry);
  const words = entries.reduce((sum, { length }) => sum + chunkWords(length), 0);
  // One page more than is used, because a full ring cannot be told from an empty one.
  const ringWords = (Math.ceil((words * 4) / PAGE_BYTES) + 1) * (PAGE_BYTES / 4);
  const file = new Uint8Array(HEADERS_BYTES + 4 * ringWords);
  const view = new DataView(file.buffer);
  const hash = (ringWords + words + RING_VERSION) >>> 0;
  [...FILE_HEADER, ringWords, words, 0, RING_VERSION, hash].forEach((value, index) => {
    view.setUint32(4 * index, value, true);
  });
  let at = HEADERS_BYTES;
  for (const entry of entries) {
    view.setUint32(at, entry.length, true);
    view.setUint32(at + 4, CHUNK_MAGIC, true);
    file.set(entry, at + 8);
    at += 4 * chunkWords(entry.length);
  }
  return file;
}

const chunkWords = (bytes: number): number => 2 + Math.ceil(bytes / 4);

function encodeEntry({ timeMs, level, subsystem, message }: LogRecord): Uint8Array {
  const name = Buffer.from(`${subsystem}\0`);
  const text = Buffer.from(FORMAT + sanitize(message)).subarray(0, TEXT_BYTES_MAX - 1);
  const entry = new Uint8Array(ENTRY_BYTES + name.length + text.length + 1);
  const view = new DataView(entry.buffer);
  view.setUint8(8, Math.min(severity[level], 7));
  view.setUint32(9, name.length, true);
  entry.set(name, 13);
  const at = 13 + name.length;
  const seconds = Math.floor(timeMs / 1000);
  view.setUint32(at, seconds, true);
  view.setUint32(at + 4, Math.floor(seconds / 2 ** 32), true);
  view.setUint32(at + 8, Math.round((timeMs - seconds * 1000) * 1e6), true);
  view.setUint32(at + 16, text.length + 1, true);
  entry.set(text, at + 20);
  return entry;
}
