import { RondoError } from '../../lib/errors.ts';
import { blackboxMessage } from './blackbox-message.ts';

/** One entry of a flight data file, of stock's daemon or of ours. */
export interface BlackboxEntry {
  readonly timeMs: number;
  /** Severity of syslog, 8 for trace. */
  readonly priority: number;
  /** Of the program's source; with our daemon the subsystem stands there. */
  readonly function: string;
  readonly line: number;
  readonly tags: number;
  readonly message: string;
}

export interface BlackboxContents {
  /** Oldest first. */
  readonly entries: readonly BlackboxEntry[];
  /** Why reading ended before the newest one; `null`: it did not. */
  readonly problem: string | null;
}

/** More than any daemon keeps: a file that is larger is no flight data. */
export const BLACKBOX_BYTES_MAX = 256 * 1024 * 1024;
const MARK = [0, 0xccbb_ccbb, 0xbbcc_bbcc] as const;
const VERSION_NANOSECONDS = 2;
const MARK_BYTES = 20;
const RING_HEADER_BYTES = 20;
const CHUNK_MAGIC = 0xa1a1_a1a1;
const CHUNK_HEADER_WORDS = 2;
const ENTRY_BYTES_MIN = 4 + 4 + 1 + 4;
const TWO_32 = 0x1_0000_0000;

/**
 * Reads what libqb writes as a blackbox: a ring buffer (libqb-ipc.md 3) behind a header of its own, one chunk an entry. Each length is checked against what
 * there is; what is damaged ends the reading, and what was read before is kept.
 */
export function readBlackbox(bytes: Uint8Array): BlackboxContents {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number): number => (at + 4 <= bytes.length ? view.getUint32(at, true) : 0);
  const marked = MARK.every((word, i) => u32(4 * i) === word) && bytes.length > MARK_BYTES;
  const version = marked ? u32(12) : 0;
  if (version > VERSION_NANOSECONDS) throw notFlightData(`of a later version, ${version}`);
  const start = marked ? MARK_BYTES : 0;
  const [words, writeAt, readAt, , hash] = [0, 1, 2, 3, 4].map((i) => u32(start + 4 * i)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const sum = (words + writeAt + readAt + u32(start + 12)) >>> 0;
  if (bytes.length < start + RING_HEADER_BYTES || words === 0 || sum !== hash)
    throw notFlightData('its header does not add up');
  if (writeAt >= words || readAt >= words) throw notFlightData('its header points outside');
  const data = bytes.subarray(start + RING_HEADER_BYTES);
  const there = Math.floor(data.length / 4);
  const whole = there >= words ? null : `the file ends after ${there} of ${words} words`;
  return readChunks(data, Math.min(words, there), words, { readAt, writeAt }, version, whole);
}

function readChunks(
  data: Uint8Array,
  there: number,
  words: number,
  { readAt, writeAt }: { readonly readAt: number; readonly writeAt: number },
  version: number,
  whole: string | null,
): BlackboxContents {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const entries: BlackboxEntry[] = [];
  const used = (writeAt - readAt + words) % words;
  for (let passed = 0; passed + CHUNK_HEADER_WORDS <= used; ) {
    const at = (readAt + passed) % words;
    const magicAt = (at + 1) % words;
    if (at >= there || magicAt >= there) return { entries, problem: whole };
    const length = view.getUint32(4 * at, true);
    const step = CHUNK_HEADER_WORDS + Math.ceil(length / 4);
    if (view.getUint32(4 * magicAt, true) !== CHUNK_MAGIC || passed + step > used)
      return { entries, problem: `entry ${entries.length + 1} is damaged: was the file written to the end?` };
    const chunk = copyOut(data, there, words, (at + CHUNK_HEADER_WORDS) % words, length);
    const entry = chunk === null ? null : readEntry(chunk, version);
    if (entry === null) return { entries, problem: whole ?? `entry ${entries.length + 1} is damaged` };
    entries.push(entry);
    passed += step;
  }
  return { entries, problem: null };
}

/** A chunk, which may go over the end of the ring. */
function copyOut(data: Uint8Array, there: number, words: number, word: number, length: number): Uint8Array | null {
  const first = Math.min(length, 4 * (words - word));
  if (4 * word + first > 4 * there || length - first > 4 * there) return null;
  const chunk = new Uint8Array(length);
  chunk.set(data.subarray(4 * word, 4 * word + first));
  chunk.set(data.subarray(0, length - first), first);
  return chunk;
}

/** `| line u32 | tags u32 | priority u8 | n u32 | function | seconds i64 | [nanoseconds i64] | m u32 | format, arguments |` */
function readEntry(chunk: Uint8Array, version: number): BlackboxEntry | null {
  const view = new DataView(chunk.buffer);
  if (chunk.length < ENTRY_BYTES_MIN) return null;
  const nameBytes = view.getUint32(9, true);
  const timeAt = 13 + nameBytes;
  const timeBytes = version >= VERSION_NANOSECONDS ? 16 : 8;
  if (nameBytes === 0 || timeAt + timeBytes + 4 > chunk.length) return null;
  const seconds = view.getUint32(timeAt, true) + view.getInt32(timeAt + 4, true) * TWO_32;
  const nanoseconds = timeBytes === 16 ? view.getUint32(timeAt + 8, true) : 0;
  const messageAt = timeAt + timeBytes + 4;
  const messageBytes = view.getUint32(messageAt - 4, true);
  if (messageAt + messageBytes > chunk.length) return null;
  return {
    timeMs: seconds * 1000 + Math.floor(nanoseconds / 1e6),
    priority: view.getUint8(8),
    function: textOf(chunk.subarray(13, timeAt)),
    line: view.getUint32(0, true),
    tags: view.getUint32(4, true),
    message: blackboxMessage(chunk.subarray(messageAt, messageAt + messageBytes)),
  };
}

/** Up to the NUL. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8');
}

const notFlightData = (why: string): RondoError =>
  new RondoError('RONDO_BLACKBOX', `this is no flight data of libqb: ${why}`, 'The daemon writes it to STATEDIR/fdata');
