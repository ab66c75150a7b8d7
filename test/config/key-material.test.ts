import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type ConfigEnvironment, nodeEnvironment } from '../../src/config/environment.ts';
import { KeyMaterial, keyFileExposure, readKeyFile } from '../../src/config/key-material.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { latin1Bytes } from '../../src/config/parser/lexer.ts';

const directory = mkdtempSync(join(tmpdir(), 'key-'));
t.teardown(() => rmSync(directory, { recursive: true }));

const conf = (address: string): string =>
  `totem {\nversion: 2\ncrypto_cipher: aes256\ncrypto_hash: sha256\nkeyfile: ${join(directory, 'authkey')}\n}\n` +
  `nodelist {\nnode {\nnodeid: 1\nname: a\nring0_addr: ${address}\n}\n}\n`;

function environmentWith(changes: Partial<ConfigEnvironment>): ConfigEnvironment {
  return {
    ...nodeEnvironment(),
    hostname: () => 'a',
    localAddresses: () => ['127.0.0.1'],
    readFile: async () => latin1Bytes(conf('127.0.0.1')),
    listFiles: async () => [],
    enterDirectory: async () => {},
    ...changes,
  };
}

t.test('a key has a fingerprint of its own and is overwritten', async (t) => {
  const bytes = new Uint8Array(256).fill(7);
  const key = new KeyMaterial(bytes);
  t.equal(key.fingerprint, new KeyMaterial(new Uint8Array(256).fill(7)).fingerprint);
  t.not(key.fingerprint, new KeyMaterial(new Uint8Array(256).fill(8)).fingerprint);
  t.equal(key.bytes, bytes);
  key.wipe();
  t.equal(key.bytes, null);
  t.ok(bytes.every((byte) => byte === 0));
});

t.test('what is no key file is refused with a reason, and nothing waits', async (t) => {
  const load = async (path: string) => {
    const readFile = async () => latin1Bytes(conf('127.0.0.1').replace(join(directory, 'authkey'), path));
    const result = await loadConfiguration(
      { file: '/x' },
      { purpose: 'test', environment: environmentWith({ readFile }) },
    );
    return result.ok ? null : result.errors[0]?.stockMessage;
  };
  const pipe = join(directory, 'pipe');
  spawnSync('mkfifo', [pipe]);
  t.equal(await load(pipe), `Could not read ${pipe}: Not a regular file`);
  t.equal(await load('/dev/zero'), 'Could not read /dev/zero: Not a regular file');
  const folder = join(directory, 'folder');
  mkdirSync(folder);
  t.equal(await load(folder), `Could not read ${folder}: Is a directory`);
  t.equal(await load(join(directory, 'none')), `Could not open ${join(directory, 'none')}: No such file or directory`);
  const short = join(directory, 'short');
  writeFileSync(short, 'x'.repeat(127), { mode: 0o400 });
  t.equal(await load(short), `Could only read 1016 bits of minimum 1024 bits from ${short}.`);
});

t.test('the first 4096 bytes count, through a link, too', async (t) => {
  const long = join(directory, 'long');
  writeFileSync(long, 'y'.repeat(5000), { mode: 0o400 });
  symlinkSync(long, join(directory, 'link'));
  const { bytes } = readKeyFile(join(directory, 'link'), 4096);
  t.equal(bytes.length, 4096);
  t.equal(bytes.byteOffset, 0, 'in memory of its own');
});

t.test('a key file that others can use is named with its place', async (t) => {
  const path = join(directory, 'authkey');
  writeFileSync(path, 'z'.repeat(128));
  for (const [mode, warned] of [
    [0o400, false],
    [0o600, false],
    [0o604, true],
    [0o602, true],
  ] as const) {
    chmodSync(path, mode);
    const result = await loadConfiguration({ file: '/x' }, { purpose: 'start', environment: environmentWith({}) });
    t.ok(result.ok, `${mode.toString(8)}: a warning only`);
    const warning = result.warnings.find(({ code }) => code === 'key-file-access');
    t.equal(warning !== undefined, warned, mode.toString(8));
    if (warned) t.equal(warning?.position?.line, 5);
  }
  const file = { bytes: new Uint8Array(), mode: 0o400, uid: 0, gid: 0 };
  t.equal(keyFileExposure({ ...file, uid: 12 }, 5), 'it belongs to user 12');
  t.equal(keyFileExposure({ ...file, uid: 12 }, 12), null);
  t.equal(keyFileExposure({ ...file, mode: 0o440, gid: 3 }, 0), 'group 3 can read it');
  t.equal(keyFileExposure({ ...file, mode: 0o460, gid: 3 }, 0), 'group 3 can write it');
  t.equal(keyFileExposure({ ...file, mode: 0o440 }, 0), null, 'the group of root');
});

t.test('a configuration that is refused leaves no key behind', async (t) => {
  const memory = new Uint8Array(256).fill(9);
  const environment = environmentWith({
    readFile: async () => latin1Bytes(conf('10.1.2.3').replace('name: a', 'name: b')),
    readKeyFile: async () => ({ bytes: memory, mode: 0o400, uid: 0, gid: 0 }),
  });
  const result = await loadConfiguration({ file: '/x' }, { purpose: 'start', environment });
  t.notOk(result.ok);
  t.ok(memory.every((byte) => byte === 0));
});
