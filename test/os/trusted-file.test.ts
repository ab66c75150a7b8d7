import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { trustedFile } from '../../src/os/trusted-path.ts';

const STRANGER = 65534;
const isRoot = process.geteuid?.() === 0;
const top = mkdtempSync(join(tmpdir(), 'rondo-trusted-'));
t.teardown(() => rmSync(top, { recursive: true, force: true }));
mkdirSync(join(top, 'a/b'), { recursive: true, mode: 0o755 });
const file = join(top, 'a/b/engine.js');
writeFileSync(file, '', { mode: 0o644 });
for (const path of ['a', 'a/b']) chmodSync(join(top, path), 0o755);

const refused = (path: string): string => {
  try {
    return `accepted as ${trustedFile(path)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

t.test('a file that only its owner can change', async (t) => {
  t.equal(trustedFile(file), file);
  t.equal(trustedFile(`${top}/a/../a//b/engine.js`), file);
  symlinkSync('a/b', join(top, 'link'));
  symlinkSync('../b/engine.js', join(top, 'a/b/again.js'));
  t.equal(trustedFile(join(top, 'link/again.js')), file, 'through links to its real path');
});

t.test('others can write the file or a directory', async (t) => {
  for (const [path, mode, usual] of [
    ['a/b/engine.js', 0o664, 0o644],
    ['a/b/engine.js', 0o646, 0o644],
    ['a/b', 0o777, 0o755],
    ['a', 0o775, 0o755],
  ] as const) {
    chmodSync(join(top, path), mode);
    t.match(refused(file), `${join(top, path)} `, `${path} ${mode.toString(8)}`);
    t.match(refused(file), /others/);
    t.match(refused(join(top, 'link/engine.js')), /others/, 'behind a link, too');
    chmodSync(join(top, path), usual);
  }
  chmodSync(join(top, 'a'), 0o1777);
  t.equal(trustedFile(file), file, 'the sticky bit keeps what is not theirs');
  chmodSync(join(top, 'a'), 0o755);
});

t.test('others own a part of the way', { skip: isRoot ? false : 'needs root' }, async (t) => {
  for (const path of ['a/b/engine.js', 'a/b', 'a']) {
    chownSync(join(top, path), STRANGER, STRANGER);
    t.equal(refused(file), `${join(top, path)} belongs to user ${STRANGER}`);
    t.equal(trustedFile(file, STRANGER), file, 'unless it is the daemon’s own user');
    chownSync(join(top, path), 0, 0);
  }
});

t.test('what is no file', async (t) => {
  t.match(refused('engine.js'), /not an absolute path/);
  t.match(refused(join(top, 'a')), /not a regular file/);
  t.match(refused('/dev/null'), /not a regular file/);
  t.match(refused(join(top, 'none.js')), /ENOENT/);
  symlinkSync('loop.js', join(top, 'loop.js'));
  t.match(refused(join(top, 'loop.js')), /too many symbolic links/);
});
