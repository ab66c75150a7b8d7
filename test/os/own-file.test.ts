import { existsSync, lstatSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createOwnFile, removeOwnFile, replaceLink, replaceOwnFile } from '../../src/os/own-file.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

t.test('a link is moved to the next file; the files stay what they are', async (t) => {
  const place = t.testdir({});
  const link = join(place, 'latest');
  for (const name of ['one', 'two', 'two', 'three']) {
    const path = join(place, name);
    if (existsSync(path)) removeOwnFile(path);
    createOwnFile(path, bytes(name), 0o600);
    replaceLink(link, name);
    t.equal(readlinkSync(link), name);
    t.equal(readFileSync(link, 'utf8'), name);
  }
  for (const name of ['one', 'two', 'three']) {
    t.ok(lstatSync(join(place, name)).isFile(), `${name} is no link`);
    t.equal(readFileSync(join(place, name), 'utf8'), name);
  }
});

t.test('a name is removed, not what a link of that name leads to', async (t) => {
  const place = t.testdir({ kept: 'kept' });
  const link = join(place, 'link');
  symlinkSync('kept', link);
  removeOwnFile(link);
  t.throws(() => lstatSync(link), /ENOENT/);
  t.equal(readFileSync(join(place, 'kept'), 'utf8'), 'kept');
});

t.test('a file is not made where a link is, whoever made it', async (t) => {
  const place = t.testdir({});
  const link = join(place, 'link');
  symlinkSync('elsewhere', link);
  t.throws(() => createOwnFile(link, bytes('secret'), 0o600), /EEXIST/);
  t.notOk(existsSync(join(place, 'elsewhere')));
});

t.test('a file is replaced where the administrator has linked it to', async (t) => {
  const place = t.testdir({ real: 'before', 'real.tmp': 'left by a crash' });
  const link = join(place, 'link');
  symlinkSync('real', link);
  replaceOwnFile(link, bytes('after'), 0o600);
  t.equal(readlinkSync(link), 'real');
  t.equal(readFileSync(join(place, 'real'), 'utf8'), 'after');
  writeFileSync(join(place, 'real'), 'still a file');
});
