import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const guide = readFileSync(join(ROOT, 'docs/platform.md'), 'utf8');
const examples = [...guide.matchAll(/```ts\n(.*?)```/gs)]
  .map(([, code]) => code!)
  .filter((code) => code.includes("from 'rondo/testing'"));

t.test('the examples of the guide run as they stand', { timeout: 60_000 }, async (t) => {
  t.ok(examples.length > 0);
  const directory = join(ROOT, 'dist', `platform-examples-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  for (const [index, code] of examples.entries()) {
    const file = join(directory, `example-${index}.mjs`);
    writeFileSync(file, code);
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 30_000 });
    t.equal(status, 0, `${code}\n${stdout}${stderr}`);
    t.ok(stdout.length > 0, 'it says something');
  }
});
