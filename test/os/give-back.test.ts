import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { collectHeap, giveBackConstants, trimMalloc } from '../../src/os/give-back.ts';
import { bind, bufferAt } from '../../src/os/libc.ts';

const map = bind<(address: number, bytes: number, prot: number, flags: number, fd: number, at: number) => number>(
  'mmap',
  'uintptr_t',
  ['uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t'],
);

/** KiB of this process that are pages of files mapped to be read. */
const constantsKiB = (): number =>
  [...readFileSync('/proc/self/smaps', 'latin1').matchAll(/ r--p .* \/.*\n(?:[A-Z].*\n)*?Rss: +(\d+) kB/g)].reduce(
    (sum, [, kiB]) => sum + Number(kiB),
    0,
  );

t.test('constants of the program are let go, and come back when they are used', async (t) => {
  const before = constantsKiB();
  const given = giveBackConstants();
  const after = constantsKiB();
  t.ok(given > 0, `${given} bytes`);
  t.ok(after < before / 2, `${before} to ${after} KiB`);
  t.equal(new Intl.NumberFormat('de').format(1234.5), '1.234,5', 'tables that were not used before');
  t.equal(new Function('a', 'return a + 1')(1), 2);
  t.match(new Error('x').stack, /give-back/);
});

t.test('a file that is no program is left alone: something else may be in its place by now', async (t) => {
  const bytes = 64 * 4096;
  const path = join(t.testdir(), 'list.so.cache');
  writeFileSync(path, Buffer.alloc(bytes, 1));
  const fd = openSync(path, 'r');
  const [PROT_READ, MAP_PRIVATE] = [1, 2];
  const view = new Uint8Array(bufferAt(map(0, bytes, PROT_READ, MAP_PRIVATE, fd, 0), bytes));
  closeSync(fd);
  let sum = 0;
  for (let at = 0; at < bytes; at += 4096) sum += view[at]!;
  t.equal(sum, 64);
  const pages = /\n[0-9a-f]+-[0-9a-f]+ r--p .*list\.so\.cache\n(?:[A-Z].*\n)*?Rss: +(\d+) kB/;
  const residentKiB = (): number => Number(pages.exec(readFileSync('/proc/self/smaps', 'latin1'))?.[1]);
  t.equal(residentKiB(), 256);
  giveBackConstants();
  t.equal(residentKiB(), 256);
});

/** A mapping of the list, with what follows its line. */
interface Mapping {
  readonly at: number;
  readonly kiB: number;
  readonly perms?: string;
  readonly file?: string;
  readonly offset?: number;
  readonly inode?: number;
  readonly anonymousKiB?: number;
  readonly lockedKiB?: number;
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');
const listOf = (mappings: readonly Mapping[]): string =>
  mappings
    .map(({ at, kiB, perms = 'r--p', file = '/lib/lib.so', offset = 0, inode = 7, anonymousKiB = 0, lockedKiB = 0 }) =>
      [
        `${hex(at)}-${hex(at + 1024 * kiB)} ${perms} ${hex(offset)} 08:01 ${inode}        ${file}`,
        `Rss:        ${kiB} kB\nAnonymous:  ${anonymousKiB} kB\nLocked:     ${lockedKiB} kB\nVmFlags: rd mr mw me`,
      ].join('\n'),
    )
    .map((text) => `${text}\n`)
    .join('');

t.test('a mapping that changes while the list is read is left alone: a library is being loaded there', async (t) => {
  const [PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS] = [1, 2, 2, 0x20];
  const kiB = 16;
  // What is given back is empty afterwards, whatever the list says of it.
  const address = map(0, 1024 * kiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const memory = new Uint8Array(bufferAt(address, 1024 * kiB));
  const text: Mapping = { at: 0x1000, kiB: 4, perms: 'r-xp' };
  const constants: Mapping = { at: address, kiB };
  const isGivenBack = (before: readonly Mapping[], after: readonly Mapping[]): boolean => {
    memory.fill(1);
    const lists = [before, after].map(listOf);
    const given = giveBackConstants(() => lists.shift() ?? '');
    t.equal(lists.length, 0, 'the list is read twice');
    t.equal(given > 0, memory[0] === 0);
    return memory.every((byte) => byte === 0);
  };
  t.ok(isGivenBack([text, constants], [text, constants]), 'the same both times');
  t.ok(isGivenBack([text, constants], [constants, { ...constants, at: 0x9000, inode: 9 }, text]), 'others may change');

  const changed: readonly (readonly [string, Partial<Mapping>])[] = [
    ['another file', { file: '/lib/other.so' }],
    ['another part of the file', { offset: 0x1000 }],
    ['a file that has taken its place', { inode: 8 }],
    ['another length', { kiB: kiB / 2 }],
    ['writable', { perms: 'rw-p' }],
    ['changed', { anonymousKiB: 4 }],
    ['locked', { lockedKiB: kiB }],
  ];
  const texts = [text, { ...text, file: '/lib/other.so' }, { ...text, inode: 8 }];
  for (const [what, change] of changed) {
    const other = { ...constants, ...change };
    t.notOk(isGivenBack([...texts, constants], [...texts, other]), `${what} by now`);
    t.notOk(isGivenBack([...texts, other], [...texts, constants]), `${what} before`);
  }
  t.notOk(isGivenBack([text], [text, constants]), 'new');
  t.notOk(isGivenBack([text, constants], [text]), 'gone');
  t.notOk(isGivenBack([constants], [text, constants]), 'of a program whose text came later');
  t.notOk(isGivenBack([text, constants], []), 'no list');
});

t.test('a heap is collected', async (t) => {
  const held: { kept: object | null } = { kept: { large: new Array(100_000).fill(0) } };
  const gone = new WeakRef(held.kept ?? {});
  held.kept = null;
  await new Promise(setImmediate);
  collectHeap();
  trimMalloc();
  t.equal(gone.deref(), undefined);
});
