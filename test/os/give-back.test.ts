import { readFileSync } from 'node:fs';
import t from 'tap';
import { collectHeap, giveBackConstants, trimMalloc } from '../../src/os/give-back.ts';

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

t.test('a heap is collected', async (t) => {
  const held: { kept: object | null } = { kept: { large: new Array(100_000).fill(0) } };
  const gone = new WeakRef(held.kept ?? {});
  held.kept = null;
  await new Promise(setImmediate);
  collectHeap();
  trimMalloc();
  t.equal(gone.deref(), undefined);
});
