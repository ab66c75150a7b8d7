import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { rotationState } from '../../src/cli/key-rotation.ts';
import { keyId } from '../../src/config/key-material.ts';
import { KeyFileWatch } from '../../src/daemon/key-file-watch.ts';
import type { ConnectivityView } from '../../src/lib/connectivity.ts';
import { rondo } from './run-rondo.ts';

t.test('a key is made for its owner only, and never over another one', async (t) => {
  const file = join(t.testdir({}), 'authkey');
  const made = await rondo('key', 'generate', file, '--json');
  t.equal(made.status, 0, made.err);
  const key = readFileSync(file);
  t.equal(key.length, 256);
  t.equal(statSync(file).mode & 0o777, 0o400);
  t.equal(JSON.parse(made.out).id, keyId(key));
  t.notMatch(made.out, key.toString('hex'));
  t.equal((await rondo('key', 'generate', file)).status, 1);
  t.same(readFileSync(file), key, 'the key is still there');
  t.equal((await rondo('key', 'generate', file, '--force')).status, 0);
  t.notSame(readFileSync(file), key);
});

t.test('a daemon knows the id of the key in its file, and sees a new one', async (t) => {
  const file = join(t.testdir({}), 'authkey');
  let path: string | null = file;
  const watch = new KeyFileWatch(() => path);
  t.equal(watch.id(), '', 'no file');
  const first = Buffer.alloc(256, 1);
  writeFileSync(file, first);
  t.equal(watch.id(), keyId(first));
  const second = Buffer.alloc(300, 2);
  writeFileSync(file, second);
  t.equal(watch.id(), keyId(second));
  t.not(keyId(first), keyId(second));
  chmodSync(file, 0o400);
  t.equal(watch.id(), keyId(second), 'read again, the same');
  path = null;
  t.equal(watch.id(), '');
});

t.test('where the nodes stand', async (t) => {
  const view = (nodeId: number, key: string, keyFile: string): ConnectivityView => ({
    nodeId,
    configuration: '',
    version: '',
    key,
    keyFile,
    links: [],
  });
  t.same(rotationState([view(1, 'new', 'new'), view(2, 'old', 'new'), view(3, 'old', 'old')], [1, 2, 3, 4], 'new'), {
    copied: [1, 2],
    inForce: [1],
    silent: [4],
  });
});
