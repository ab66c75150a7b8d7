import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT } from './sources.ts';

const text = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');

t.test('every test that the security page names is there', async (t) => {
  const named = [...text.matchAll(/`(test\/[\w./-]+\.ts)`/g)].map(([, path]) => path!);
  t.ok(named.length > 10);
  t.strictSame(
    named.filter((path) => !existsSync(join(ROOT, path))),
    [],
  );
});

t.test('the capabilities that it names are those that are left', async (t) => {
  const kept = /^keep='(.*)'$/m.exec(readFileSync(join(ROOT, 'bin/rondod'), 'utf8'))?.[1];
  t.match(text, `\`${kept}\``);
});
