import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { StateLock } from '../../src/daemon/state-lock.ts';
import { closeFd, openDirectory, tryLockOpenFile } from '../../src/os/fd.ts';

t.test('one daemon has a state directory, whoever locks what he may read', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-state-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const reasons: string[] = [];
  const acquire = (at = directory): StateLock | null => StateLock.acquire(at, (reason) => void reasons.push(reason));
  chmodSync(directory, 0o755);
  const fd = openDirectory(directory);
  t.equal(tryLockOpenFile(fd), 0, 'any user can lock a directory that he can read');

  const first = acquire();
  t.ok(first);
  t.equal(statSync(join(directory, 'rondo.lock')).mode & 0o777, 0o600, 'nobody else can open it');
  t.throws(() => acquire(), /Another daemon uses the state directory .*--state-dir/);
  first?.release();
  const second = acquire();
  t.ok(second, 'what is left of the first is no obstacle');
  second?.release();
  closeFd(fd);

  t.equal(acquire(join(directory, 'missing')), null);
  writeFileSync(join(directory, 'file'), '');
  t.equal(acquire(join(directory, 'file')), null);
  t.same(reasons, ['ENOENT', 'ENOTDIR'], 'a reason for the log');
});
