import { closeSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { takeLock, writePid } from '../../src/arbiter/lock.ts';

t.test('the lock file names the process when it serves, not before', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'rondo-lock-')), 'run', 'arbiter.pid');
  const fd = takeLock(path);
  t.ok(fd !== null);
  t.equal(readFileSync(path, 'utf8'), '', 'who waits for a number goes on waiting');
  writePid(fd!);
  t.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
  closeSync(fd!);
});

t.test('what a former instance left is no sign that this one serves', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'rondo-lock-')), 'arbiter.pid');
  writeFileSync(path, '4711\n', { mode: 0o640 });
  const fd = takeLock(path);
  t.equal(readFileSync(path, 'utf8'), '');
  closeSync(fd!);
});
