import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
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
import { ZeroCopyFiles } from '../../src/ring/cpg/zero-copy-files.ts';
import { zeroCopyQuota } from '../../src/ring/cpg/zero-copy-limits.ts';

const UID = process.getuid?.() ?? 0;
let nextName = 0;
const freshPath = (): string => {
  nextName += 1;
  return `/dev/shm/corosync_zerocopy-${(process.pid * 36 ** 2 + nextName).toString(36).slice(-6).padStart(6, 'Z')}`;
};

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

t.test('a long message, and lengths that lie', async (t) => {
  const files = new ZeroCopyFiles(() => UID);
  const path = freshPath();
  const fd = clientFile(path);
  t.ok(files.open(1, path, 8 << 20), 'larger than any message: libcpg allows it');
  const mine = token(fd);
  const text = 'x'.repeat(100_000);
  putMessage(fd, text);
  t.equal(Buffer.from(files.read(1, mine)!).toString(), text);
  putMessage(fd, text, 200_000);
  t.equal(files.read(1, mine), null, 'beyond the file');
  putMessage(fd, text, (1 << 20) + 1);
  t.equal(files.read(1, mine), null, 'beyond a message');
  ftruncateSync(fd, 52);
  t.equal(files.read(1, mine), null, 'a file that became shorter');
  files.closeAll(1);
  closeSync(fd);
});

t.test('a refusal leaves no file of the client, and nothing of others is touched', async (t) => {
  const reasons: string[] = [];
  const files = new ZeroCopyFiles(
    (id) => (id === 9 ? UID + 1 : UID),
    (_, reason) => void reasons.push(reason),
    zeroCopyQuota(4),
  );
  const path = freshPath();
  closeSync(clientFile(path));
  t.notOk(files.open(9, path, 100), 'a file of somebody else');
  t.ok(existsSync(path), 'and it stays');
  t.notOk(files.open(1, path, 10), 'too small');
  t.notOk(existsSync(path), 'the name goes whatever the answer');
  t.notOk(files.open(1, path, 100), 'not there');
  const directory = mkdtempSync(join(tmpdir(), 'rondo-zc-'));
  const elsewhere = join(directory, 'corosync_zerocopy-abcdef');
  writeFileSync(elsewhere, 'precious');
  t.notOk(files.open(1, elsewhere, 100), 'another directory');
  t.notOk(files.open(1, `/dev/shm/../..${elsewhere}`, 100), 'the same by a detour');
  const link = freshPath();
  symlinkSync(elsewhere, link);
  t.notOk(files.open(1, link, 100), 'a symbolic link');
  t.ok(existsSync(link), 'is no file of the client');
  const folder = freshPath();
  mkdirSync(folder);
  t.notOk(files.open(1, folder, 100), 'a directory');
  t.ok(existsSync(folder));
  const fifo = freshPath();
  execFileSync('mkfifo', [fifo]);
  t.notOk(files.open(1, fifo, 100), 'a pipe, which holds up nobody');
  t.ok(existsSync(fifo));
  t.notOk(files.open(1, '/dev/shm/precious', 100), 'another name');
  t.ok(existsSync(elsewhere));
  closeSync(clientFile(path));
  t.ok(files.open(1, path, 100));
  closeSync(clientFile(path));
  t.notOk(files.open(1, path, 100), 'one too many');
  t.notOk(existsSync(path), 'its name goes, too');
  t.equal(reasons.length, 10, reasons.join('; '));
  files.closeAll(1);
  for (const rest of [directory, link, folder, fifo]) rmSync(rest, { recursive: true });
});

t.test('buffers are bounded by user and in all, and end with their connection', async (t) => {
  const quota = zeroCopyQuota(64);
  const taken = (uid: number): number => {
    let count = 0;
    while (quota.tryTake({ uid, privileged: uid === 0 })) count++;
    return count;
  };
  t.same([taken(1000), taken(1001), taken(1002), taken(0), taken(0)], [8, 4, 0, 4, 0]);
  quota.give({ uid: 1000, privileged: false });
  t.same([taken(1002), taken(1000)], [1, 0]);
  t.equal(zeroCopyQuota(16_000).limits.perUser, 2_000);

  const files = new ZeroCopyFiles(() => UID, undefined, zeroCopyQuota(32));
  const open = (id: number): boolean => {
    const path = freshPath();
    closeSync(clientFile(path));
    return files.open(id, path, 100);
  };
  t.equal([1, 1, 1, 2, 2, 2, 2, 2, 2, 2].filter(open).length, 8, 'the user of the daemon is bound by what there is');
  files.closeAll(1);
  t.equal([3, 3, 3, 3].filter(open).length, 3);
  files.closeAll(2);
  files.closeAll(3);
});
