import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { collectHeap, giveBackConstants, trimMalloc } from '../../src/os/give-back.ts';
import { bind, bufferAt } from '../../src/os/libc.ts';

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
  const mmap = bind<(address: number, bytes: number, prot: number, flags: number, fd: number, at: number) => number>(
    'mmap',
    'uintptr_t',
    ['uintptr_t', 'size_t', 'int', 'int', 'int', 'int64_t'],
  );
  const bytes = 64 * 4096;
  const path = join(t.testdir(), 'list.so.cache');
  writeFileSync(path, Buffer.alloc(bytes, 1));
  const fd = openSync(path, 'r');
  const [PROT_READ, MAP_PRIVATE] = [1, 2];
  const view = new Uint8Array(bufferAt(mmap(0, bytes, PROT_READ, MAP_PRIVATE, fd, 0), bytes));
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

t.test('a heap is collected', async (t) => {
  const held: { kept: object | null } = { kept: { large: new Array(100_000).fill(0) } };
  const gone = new WeakRef(held.kept ?? {});
  held.kept = null;
  await new Promise(setImmediate);
  collectHeap();
  trimMalloc();
  t.equal(gone.deref(), undefined);
});
