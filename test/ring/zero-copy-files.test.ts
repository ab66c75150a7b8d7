import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ZeroCopyFiles } from '../../src/ring/zero-copy-files.ts';

const UID = process.getuid?.() ?? 0;
let nextName = 0;
const freshPath = (): string => `/dev/shm/corosync_zerocopy-test${process.pid}-${nextName++}`;

/** What libcpg does: a file with room for header and message. */
function clientFile(path: string): number {
  writeFileSync(path, '', { mode: 0o600 });
  return openSync(path, 'r+');
}

function token(fd: number): bigint {
  const bytes = new BigUint64Array(1);
  readSync(fd, new Uint8Array(bytes.buffer), 0, 8, 8);
  return bytes[0]!;
}

function putMessage(fd: number, text: string, length = text.length): void {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, length, true);
  writeSync(fd, header, 0, 4, 48);
  writeSync(fd, Buffer.from(text), 0, text.length, 56);
}

t.test('a message through a shared file', async (t) => {
  const files = new ZeroCopyFiles(() => UID);
  const path = freshPath();
  const fd = clientFile(path);
  t.ok(files.open(1, path, 56 + 100));
  t.notOk(existsSync(path), 'the name is removed');
  putMessage(fd, 'hello');
  const mine = token(fd);
  t.equal(Buffer.from(files.read(1, mine)!).toString(), 'hello');
  t.equal(files.read(2, mine), null, 'not of another connection');
  putMessage(fd, 'hello', 101);
  t.equal(files.read(1, mine), null, 'a length beyond the region');
  files.close(2, mine);
  putMessage(fd, 'again');
  t.equal(Buffer.from(files.read(1, mine)!).toString(), 'again');
  files.close(1, mine);
  t.equal(files.read(1, mine), null);
  closeSync(fd);
});

t.test('what may not be opened', async (t) => {
  const files = new ZeroCopyFiles((id) => (id === 9 ? UID + 1 : UID));
  const path = freshPath();
  const fd = clientFile(path);
  t.notOk(files.open(9, path, 100), 'a file of somebody else');
  t.ok(existsSync(path), 'and it stays');
  t.notOk(files.open(1, path, 10), 'too small');
  t.notOk(files.open(1, path, 1 << 30), 'too large');
  t.notOk(files.open(1, `${path}-none`, 100), 'not there');
  const directory = mkdtempSync(join(tmpdir(), 'rondo-zc-'));
  const elsewhere = join(directory, 'corosync_zerocopy-x');
  writeFileSync(elsewhere, 'precious');
  t.notOk(files.open(1, elsewhere, 100), 'another directory');
  const link = freshPath();
  symlinkSync(elsewhere, link);
  t.notOk(files.open(1, link, 100), 'a symbolic link');
  t.notOk(files.open(1, '/dev/shm/precious', 100), 'another name');
  t.ok(existsSync(elsewhere));
  rmSync(directory, { recursive: true });
  rmSync(link);
  rmSync(path);
  closeSync(fd);
});

t.test('regions end with their connection and are bounded', async (t) => {
  const files = new ZeroCopyFiles(() => UID);
  let opened = 0;
  for (let i = 0; i < 80; i++) {
    const path = freshPath();
    closeSync(clientFile(path));
    if (files.open(1, path, 100)) opened++;
    else rmSync(path);
  }
  t.equal(opened, 64);
  files.closeAll(1);
  const path = freshPath();
  closeSync(clientFile(path));
  t.ok(files.open(1, path, 100));
  files.closeAll(1);
});
