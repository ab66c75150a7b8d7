import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { inPrivateDirectory } from '../../src/os/private-directory.ts';

const asRoot = process.geteuid?.() === 0 ? false : 'needs root';

t.test('a directory of a moment: nobody else reads it, nothing stays', (t) => {
  const parent = realpathSync(t.testdir({}));
  t.throws(() =>
    inPrivateDirectory(parent, (directory) => {
      t.equal(statSync(directory).mode & 0o777, 0o700);
      mkdirSync(join(directory, 'database'));
      writeFileSync(join(directory, 'database', 'key4.db'), 'a key');
      throw new Error('the tool failed');
    }),
  );
  t.same(readdirSync(parent), []);
  t.end();
});

t.test('what a process left that was killed, the next one removes, and nothing else', async (t) => {
  const parent = realpathSync(t.testdir({ outside: { file: 'stays' }, 'keys-note': 'a file' }));
  const module = JSON.stringify(import.meta.resolve('../../src/os/private-directory.js'));
  const program = `import { inPrivateDirectory } from ${module};
    import { writeFileSync, writeSync } from 'node:fs';
    inPrivateDirectory(${JSON.stringify(parent)}, (directory) => {
      writeFileSync(directory + '/key4.db', 'a key');
      writeSync(1, 'there');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  symlinkSync(join(parent, 'outside'), join(parent, 'keys-linked'));
  const kept = ['keys-linked', 'keys-note', 'outside'];
  const [left] = readdirSync(parent).filter((name) => !kept.includes(name));
  inPrivateDirectory(parent, () => {});
  t.same(readdirSync(parent).sort(), [left, ...kept].sort(), 'of a process that lives it stays');
  child.kill('SIGKILL');
  await once(child, 'exit');
  inPrivateDirectory(parent, () => {});
  t.same(readdirSync(parent).sort(), kept);
  t.same(readdirSync(join(parent, 'outside')), ['file']);
});

t.test('where others can exchange it, no key is written', { skip: asRoot }, (t) => {
  const parent = realpathSync(t.testdir({ everybody: {}, group: {}, user: {} }));
  chmodSync(join(parent, 'everybody'), 0o777);
  chmodSync(join(parent, 'group'), 0o770);
  chownSync(join(parent, 'group'), 0, 12_345);
  chownSync(join(parent, 'user'), 65_534, 65_534);
  for (const name of readdirSync(parent))
    t.throws(() => inPrivateDirectory(join(parent, name), () => t.fail()), /keys are not written there/, name);
  chmodSync(join(parent, 'everybody'), 0o1777);
  t.doesNotThrow(() => inPrivateDirectory(join(parent, 'everybody'), () => {}));
  t.end();
});
