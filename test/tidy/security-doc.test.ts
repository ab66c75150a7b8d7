import { existsSync, readdirSync, readFileSync } from 'node:fs';
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

t.test('every attack of test/security is on the page', async (t) => {
  const attacks = readdirSync(join(ROOT, 'test/security')).filter((name) => name.endsWith('.test.ts'));
  t.strictSame(
    attacks.filter((name) => !text.includes(`\`test/security/${name}\``)),
    [],
  );
});

t.test('every test that the page of faults names is there', async (t) => {
  const faults = readFileSync(join(ROOT, 'docs/faults.md'), 'utf8');
  const rows = faults.split('\n').filter((line) => /^\| \d+\. /.test(line));
  t.equal(rows.length, 14);
  const there = (name: string): boolean =>
    ['.test.ts', '.slow.test.ts'].some((ending) => existsSync(join(ROOT, 'test', `${name}${ending}`)));
  for (const row of rows) {
    const named = [...(row.split('|')[4] ?? '').matchAll(/`([\w-]+\/[\w-]+)`/g)].map(([, name]) => name!);
    t.ok(named.length > 0, row.slice(0, 40));
    t.strictSame(
      named.filter((name) => !there(name)),
      [],
    );
  }
});

t.test('the capabilities that it names are those that are left', async (t) => {
  const kept = /^keep='(.*)'$/m.exec(readFileSync(join(ROOT, 'bin/rondod'), 'utf8'))?.[1];
  t.match(text, `\`${kept}\``);
});
