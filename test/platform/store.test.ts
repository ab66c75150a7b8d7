import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { StoreError } from '../../src/platform/index.ts';
import { Store } from '../../src/platform/replicated/store.ts';

const home = mkdtempSync(join(tmpdir(), 'rondo-store-'));
t.teardown(() => rmSync(home, { recursive: true, force: true }));
/** No process has it. */
const DEAD = 2 ** 22 - 1;

t.test('of many that find the lock of a dead process one gets the directory', async (t) => {
  for (let round = 0; round < 30; round++) {
    const directory = mkdtempSync(join(home, 'raced-'));
    writeFileSync(join(directory, 'lock'), `${DEAD} 1\n`);
    const opened = await Promise.allSettled(Array.from({ length: 8 }, () => Store.open({ directory })));
    const stores = opened.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.store] : []));
    const refused = opened.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as StoreError] : []));
    if (stores.length !== 1) t.fail(`round ${round}: ${stores.length} have it`);
    if (!refused.every((error) => error instanceof StoreError && error.code === 'RONDO_STORE_LOCKED'))
      t.fail(`round ${round}: ${refused.join()}`);
    for (const store of stores) await store.close();
    const again = await Store.open({ directory });
    await again.store.close();
  }
});

t.test('a process that is killed gives it back, one that lives keeps it', async (t) => {
  const directory = mkdtempSync(join(home, 'held-'));
  const module = new URL('../../src/platform/replicated/store.js', import.meta.url).href;
  const program = `const { Store } = await import('${module}'); await Store.open({ directory: process.argv[1] });
    console.log('held'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await t.rejects(Store.open({ directory }), {
    code: 'RONDO_STORE_LOCKED',
    message: new RegExp(`held by process ${child.pid}`),
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  const { store } = await Store.open({ directory });
  t.equal(readFileSync(join(directory, 'lock'), 'latin1'), `${process.pid}\n`);
  await store.close();
});

t.test('a directory that others can write into, or that is theirs, holds no state', async (t) => {
  const directory = mkdtempSync(join(home, 'shared-'));
  writeFileSync(join(home, 'victim'), 'of this user');
  symlinkSync(join(home, 'victim'), join(directory, 'lock'));
  chmodSync(directory, 0o1777);
  await t.rejects(Store.open({ directory }), { code: 'RONDO_STORE_EXPOSED', message: /can be written by others/ });
  t.equal(readFileSync(join(home, 'victim'), 'utf8'), 'of this user', 'nothing was followed');
  if (process.geteuid?.() !== 0) return;
  chmodSync(directory, 0o700);
  chownSync(directory, 65_534, 65_534);
  await t.rejects(Store.open({ directory }), { code: 'RONDO_STORE_EXPOSED', message: /belongs to user 65534/ });
});
