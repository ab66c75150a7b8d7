import {
  closeSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { unlinkExactly } from '../../src/os/unlink-exactly.ts';

function fixture(t: Test) {
  const root = mkdtempSync(join(tmpdir(), 'rondo-exactly-'));
  const directory = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  t.teardown(() => {
    closeSync(directory);
    rmSync(root, { recursive: true });
  });
  const path = join(root, 'name');
  return {
    root,
    path,
    remove: (file: string): boolean => unlinkExactly(directory, 'name', lstatSync(file), join(root, 'aside'), 'moved'),
  };
}

t.test('the name of that file goes, also when the file has others', async (t) => {
  const { root, path, remove } = fixture(t);
  writeFileSync(path, 'mine');
  linkSync(path, join(root, 'other'));
  t.equal(remove(path), true);
  t.same(readdirSync(root), ['other'], 'nothing else is left behind');
  t.equal(remove(join(root, 'other')), false, 'a name that is not there');
  t.same(readdirSync(root), ['other']);
});

t.test('what was put in its place stays', async (t) => {
  const { root, path, remove } = fixture(t);
  const away = join(root, 'away');
  writeFileSync(path, 'looked at');
  renameSync(path, away);
  for (const [what, put] of [
    ['another file', () => writeFileSync(path, 'precious')],
    ['a link', () => symlinkSync('/etc/passwd', path)],
    ['a directory', () => mkdirSync(path)],
    ['a directory with something in it', () => mkdirSync(join(path, 'inner'), { recursive: true })],
  ] as const) {
    put();
    const before = lstatSync(path);
    t.equal(remove(away), false, what);
    t.equal(lstatSync(path).ino, before.ino, `${what} is where it was`);
    t.same(readdirSync(root).sort(), ['away', 'name']);
    if (what === 'another file') t.equal(readFileSync(path, 'utf8'), 'precious');
    rmSync(path, { recursive: true });
  }
});

t.test('no room aside: nothing happens', async (t) => {
  const { root, path, remove } = fixture(t);
  writeFileSync(path, 'mine');
  mkdirSync(join(root, 'aside'));
  writeFileSync(join(root, 'aside', 'moved'), 'of another');
  t.equal(remove(path), false);
  t.ok(existsSync(path));
  t.equal(readFileSync(join(root, 'aside', 'moved'), 'utf8'), 'of another');
});
