import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openIpcChannel } from '../../src/client/ipc-channel.ts';
import { IpcClient, type IpcClientHandler } from '../../src/ipc/client/ipc-client.ts';

// While no daemon runs, any program can listen under its name: its clients must not open, change or map what that one names.

const program = fileURLToPath(new URL('rogue-server.js', import.meta.url));
const STRANGER = 65534;
const instance = `rogue${process.pid}`;
const directory = `/dev/shm/qb-${process.pid}-1-1-rogue0`;
const ring = `${directory}/qb-request-cmap`;
const victim = `/dev/shm/rondo-victim-${process.pid}`;
const silent: IpcClientHandler = { event: () => {}, closed: () => {} };
const BYTES = 16_384;

mkdirSync(directory, { mode: 0o700 });
writeFileSync(victim, 'x'.repeat(BYTES));
t.teardown(() => {
  rmSync(directory, { recursive: true });
  rmSync(victim);
});

async function serve(t: Test, path: string, ...rest: readonly string[]): Promise<void> {
  const server = spawn(process.execPath, [program, instance, path, ...rest], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout, 'data');
  t.teardown(async () => {
    server.kill();
    await once(server, 'exit');
  });
}

const connect = (): Promise<IpcClient> => IpcClient.connect('cmap', instance, silent);
const descriptors = (): number => readdirSync('/proc/self/fd').length;

t.test('a user who is not trusted', { skip: process.geteuid?.() === 0 ? false : 'needs root' }, async (t) => {
  await serve(t, ring, String(STRANGER));
  const before = descriptors();
  await t.rejects(connect(), { code: 'RONDO_IPC_CONNECT', errno: 'EPERM', message: /user 65534 listens there/ });
  const options = { instance, timeoutMs: 1000 };
  await t.rejects(openIpcChannel('cmap', options, silent), { code: 'RONDO_UNTRUSTED', hint: /RONDO_TRUSTED_UID/ });
  t.equal(descriptors(), before, 'nothing is left open');
  process.env['RONDO_TRUSTED_UID'] = String(STRANGER);
  t.teardown(() => delete process.env['RONDO_TRUSTED_UID']);
  await t.rejects(connect(), { message: /ENOENT/ }, 'admitted; there are no files');
});

for (const [what, path, prepare, errno] of [
  ['outside of shared memory', '/etc/qb-1-1-1-abcdef/qb-request-cmap', () => {}, 'EPROTO'],
  ['up and down', `${directory}/../qb-1-1-1-abcdef/qb-request-cmap`, () => {}, 'EPROTO'],
  ['another name', `${directory}/passwd`, () => {}, 'EPROTO'],
  ['a symbolic link', ring, () => symlinkSync(victim, `${ring}-header`), 'ELOOP'],
  ['a hard link', ring, () => linkSync(victim, `${ring}-header`), 'EPROTO'],
  ['a FIFO', ring, () => spawnSync('mkfifo', [`${ring}-header`]), 'EPROTO'],
  ['a short file', ring, () => writeFileSync(`${ring}-header`, 'short'), 'EPROTO'],
  [
    'data of another place',
    ring,
    () => {
      writeFileSync(`${ring}-header`, '');
      truncateSync(`${ring}-header`, BYTES);
      const header = Buffer.alloc(BYTES);
      header.write(victim, 4108);
      writeFileSync(`${ring}-header`, header);
    },
    'EPROTO',
  ],
] as const) {
  t.test(`files that no daemon names: ${what}`, async (t) => {
    prepare();
    t.teardown(() => rmSync(`${ring}-header`, { force: true }));
    await serve(t, path);
    const before = descriptors();
    await t.rejects(connect(), { code: `RONDO_OS_${errno}` });
    t.equal(readFileSync(victim, 'latin1'), 'x'.repeat(BYTES), 'nothing was written there');
    t.equal(descriptors(), before);
  });
}
