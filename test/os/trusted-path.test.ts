import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  createOwnFile,
  exposure,
  readOwnFile,
  removeOwnDirectory,
  replaceLink,
  replaceOwnFile,
} from '../../src/os/own-file.ts';
import { openLogFile, openTrusted } from '../../src/os/trusted-path.ts';

const ROOT = process.geteuid?.() === 0;
const NOBODY = 65534;
const top = realpathSync(mkdtempSync(join(tmpdir(), 'trusted-')));
t.teardown(() => rmSync(top, { recursive: true, force: true }));

function directory(name: string, owner = process.geteuid?.() ?? 0, mode = 0o755): string {
  const path = join(top, name);
  mkdirSync(path, { recursive: true });
  chmodSync(path, mode);
  if (ROOT) chownSync(path, owner, owner);
  return path;
}

/** Code of the error, or 'opened'. */
function outcome(path: string): string {
  try {
    const fd = openLogFile(path);
    writeSync(fd, 'line\n');
    closeSync(fd);
    return 'opened';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

t.test('what an administrator links works: directories and the file itself', async (t) => {
  const real = directory('real');
  symlinkSync('real', join(top, 'linked'));
  symlinkSync(real, join(top, 'absolute'));
  t.equal(outcome(join(top, 'linked', 'a.log')), 'opened');
  t.equal(outcome(join(top, 'absolute', '..', 'linked', 'a.log')), 'opened');
  t.equal(readFileSync(join(real, 'a.log'), 'utf8'), 'line\nline\n');
  t.equal(statSync(join(real, 'a.log')).mode & 0o777, 0o640 & ~process.umask());
  symlinkSync('../real/b.log', join(directory('other'), 'b.log'));
  t.equal(outcome(join(top, 'other', 'b.log')), 'opened');
  t.equal(readFileSync(join(real, 'b.log'), 'utf8'), 'line\n');
  symlinkSync('circle', join(top, 'circle'));
  t.equal(outcome(join(top, 'circle', 'x')), 'ELOOP');
  t.equal(outcome(join(top, 'none', 'x.log')), 'ENOENT');
  t.throws(() => openLogFile(join(top, 'none', 'x.log')), { message: new RegExp(`'${top}/none/x.log'`) });
  t.equal(outcome('/dev/null'), 'opened');
});

t.test('what is no regular file is refused, and nothing waits', async (t) => {
  const path = join(top, 'fifo');
  spawnSync('mkfifo', [path]);
  const start = performance.now();
  t.ok(['ENXIO', 'EINVAL'].includes(outcome(path)));
  const reader = openTrusted.bind(null, path, constants.O_RDWR, 0);
  t.throws(reader, { code: 'EINVAL' });
  t.throws(() => readOwnFile(path, 8), { code: 'EINVAL' });
  t.equal(outcome(top), 'EISDIR');
  t.ok(performance.now() - start < 2000);
});

t.test('another user redirects nothing', { skip: ROOT ? false : 'needs root' }, async (t) => {
  const secrets = directory('secrets');
  const secret = join(secrets, 'secret');
  writeFileSync(secret, 'precious', { mode: 0o600 });
  const theirs = directory('theirs', NOBODY);
  symlinkSync(secret, join(theirs, 'link.log'));
  lchownSync(join(theirs, 'link.log'), NOBODY, NOBODY);
  symlinkSync(secrets, join(theirs, 'way'));
  lchownSync(join(theirs, 'way'), NOBODY, NOBODY);
  linkSync(secret, join(theirs, 'hard.log'));
  symlinkSync(secret, join(top, 'rootlink'));
  linkSync(join(top, 'rootlink'), join(theirs, 'moved.log'));
  t.equal(outcome(join(theirs, 'link.log')), 'ELOOP');
  t.equal(outcome(join(theirs, 'way', 'secret')), 'ELOOP');
  t.equal(outcome(join(theirs, 'hard.log')), 'EINVAL', 'a second name of a file');
  t.equal(outcome(join(theirs, 'moved.log')), 'ELOOP', "a second name of root's link");
  t.equal(outcome(join(theirs, 'own.log')), 'opened', 'an honest file there is no harm');
  rmSync(join(theirs, 'hard.log'));
  const shared = directory('shared', 0, 0o1777);
  symlinkSync(secret, join(shared, 'x.log'));
  lchownSync(join(shared, 'x.log'), NOBODY, NOBODY);
  t.equal(outcome(join(shared, 'x.log')), 'ELOOP');
  t.equal(readFileSync(secret, 'utf8'), 'precious');
});

t.test('own files: planted names go, what they lead to stays', { skip: ROOT ? false : 'needs root' }, async (t) => {
  const state = directory('state', NOBODY, 0o777);
  const victim = join(top, 'victim');
  writeFileSync(victim, 'precious');
  const file = join(state, 'ringid_1');
  for (const name of ['ringid_1.tmp', 'ringid_1', 'fdata', `fdata.${process.pid}`]) {
    symlinkSync(victim, join(state, name));
    lchownSync(join(state, name), NOBODY, NOBODY);
  }
  t.throws(() => readOwnFile(file, 8), { code: 'ELOOP' });
  t.throws(() => replaceOwnFile(file, Buffer.from('12345678'), 0o600), { code: 'ELOOP' });
  rmSync(file);
  replaceOwnFile(file, Buffer.from('12345678'), 0o600);
  t.same(Buffer.from(readOwnFile(file, 8) ?? []).toString(), '12345678');
  t.equal(readOwnFile(join(state, 'none'), 8), null);
  symlinkSync(victim, join(state, 'dump'));
  lchownSync(join(state, 'dump'), NOBODY, NOBODY);
  t.throws(() => createOwnFile(join(state, 'dump'), Buffer.from('x'), 0o600));
  replaceLink(join(top, 'fdata'), 'target');
  t.equal(readFileSync(victim, 'utf8'), 'precious');
  t.notOk(readdirSync(state).includes('ringid_1.tmp'));
  t.match(exposure(state), /user 65534/);
  t.equal(exposure(directory('mine')), null);
});

t.test('a tree is removed only if this user made it and nobody else can write into it', { skip: !ROOT }, async (t) => {
  const tree = (name: string, owner: number, mode: number): string => {
    const path = directory(name, owner, mode);
    writeFileSync(join(path, 'file'), '');
    return path;
  };
  t.equal(removeOwnDirectory(tree('own-tree', 0, 0o700)), true);
  t.same(statSync(join(top, 'own-tree'), { throwIfNoEntry: false }), undefined);
  t.equal(removeOwnDirectory(join(top, 'own-tree')), true, 'gone already');
  for (const [name, owner, mode] of [
    ['theirs', NOBODY, 0o700],
    ['open-to-all', 0, 0o777],
    ['open-to-a-group', 0, 0o770],
  ] as const) {
    t.equal(removeOwnDirectory(tree(name, owner, mode)), false, name);
    t.equal(readFileSync(join(top, name, 'file'), 'utf8'), '', name);
  }
  symlinkSync('theirs', join(top, 'a-link'));
  t.equal(removeOwnDirectory(join(top, 'a-link')), false);
  t.ok(statSync(join(top, 'theirs', 'file')).isFile());
});
