import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const PAGE = 4096;
const PAGES_AT_ONCE = 4096;
const CHUNK_BYTES = 8 << 20;
/** Bit 63: in memory, bit 62: swapped; both in the uppermost byte of an entry of eight. */
const PRESENT = 0xc0;

/** Every form in which a key may lie in memory. */
export function formsOfKey(key: Buffer): ReadonlyMap<string, Buffer> {
  const forms = new Map<string, Buffer>();
  for (const at of [0, 64, 128, 192]) {
    const part = key.subarray(at, at + 16);
    forms.set(`raw ${at}`, part);
    forms.set(`raw ${at} UTF-16`, Buffer.from(part.toString('latin1'), 'utf16le'));
  }
  const texts = {
    hex: key.toString('hex'),
    HEX: key.toString('hex').toUpperCase(),
    base64: key.toString('base64'),
    base64url: key.toString('base64url'),
  };
  for (const [name, text] of Object.entries(texts)) {
    for (const at of [0, 160]) {
      forms.set(`${name} ${at}`, Buffer.from(text.slice(at, at + 24), 'latin1'));
      forms.set(`${name} ${at} UTF-16`, Buffer.from(text.slice(at, at + 24), 'utf16le'));
    }
  }
  // An HMAC with SHA-256 makes these of a key that is longer than a block.
  const short = createHash('sha256').update(key).digest();
  forms.set('hashed', short.subarray(0, 16));
  for (const [name, pad] of [['inner block', 0x36] as const, ['outer block', 0x5c] as const]) {
    forms.set(name, Buffer.from(short.subarray(0, 16).map((byte) => byte ^ pad)));
  }
  return forms;
}

/** Names of the forms that lie in the memory of a process: every page of every mapping that is its own or writable. */
export function searchProcess(pid: number, forms: ReadonlyMap<string, Buffer>): readonly string[] {
  const found: string[] = [];
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const pages = openSync(`/proc/${pid}/pagemap`, 'r');
  const overlap = Math.max(...[...forms.values()].map(({ length }) => length)) - 1;
  const chunk = Buffer.alloc(CHUNK_BYTES + overlap);
  try {
    for (const { from, to, name } of mappings(pid)) {
      for (const [start, end] of presentRuns(pages, from, to)) {
        for (let at = start; at < end; at += CHUNK_BYTES) {
          const length = read(memory, chunk, Math.min(end - at, chunk.length), at);
          const bytes = chunk.subarray(0, length);
          for (const [form, needle] of forms) {
            const hit = bytes.indexOf(needle);
            if (hit >= 0) found.push(`${form} at ${(at + hit).toString(16)} in ${name}`);
          }
        }
      }
    }
  } finally {
    closeSync(memory);
    closeSync(pages);
  }
  return found;
}

function mappings(pid: number): { readonly from: number; readonly to: number; readonly name: string }[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'latin1').trimEnd().split('\n');
  return lines.flatMap((line) => {
    const [, from, to, mode, inode, name] = /^(\w+)-(\w+) (\S+) \S+ \S+ (\d+) *(.*)$/.exec(line) ?? [];
    const wanted = mode?.startsWith('r') && (mode[1] === 'w' || inode === '0') && !/^\[v/.test(name ?? '');
    if (!wanted) return [];
    return [
      { from: Number.parseInt(from!, 16), to: Number.parseInt(to!, 16), name: name === '' ? 'anonymous' : name! },
    ];
  });
}

/** Ranges whose pages exist: an arena is gigabytes of addresses and few pages. */
function* presentRuns(pages: number, from: number, to: number): Generator<readonly [number, number]> {
  const entries = Buffer.alloc(PAGES_AT_ONCE * 8);
  let start = -1;
  for (let at = from; at < to; at += PAGES_AT_ONCE * PAGE) {
    const count = Math.min(PAGES_AT_ONCE, (to - at) / PAGE);
    const got = readSync(pages, entries, 0, count * 8, (at / PAGE) * 8) / 8;
    for (let i = 0; i < got; i++) {
      const present = (entries[i * 8 + 7]! & PRESENT) !== 0;
      if (present && start < 0) start = at + i * PAGE;
      if (present || start < 0) continue;
      yield [start, at + i * PAGE];
      start = -1;
    }
  }
  if (start >= 0) yield [start, to];
}

function read(fd: number, into: Buffer, length: number, at: number): number {
  try {
    return readSync(fd, into, 0, length, at);
  } catch {
    return 0; // unmapped meanwhile, or of a device
  }
}
