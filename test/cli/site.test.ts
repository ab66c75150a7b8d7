import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const skip = existsSync(join(ROOT, 'node_modules/marked')) ? false : 'marked is not installed: npm ci';

t.test('the documents become a site without a dead link', { skip }, async (t) => {
  const out = mkdtempSync(join(tmpdir(), 'rondo-site-'));
  t.teardown(() => rmSync(out, { recursive: true, force: true }));
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/site/site.mjs'), '--out', out], {
    encoding: 'utf8',
  });
  t.equal(status, 0, `${stdout}${stderr}`);
  t.match(readFileSync(join(out, 'index.html'), 'utf8'), /href="docs\/client\.html"/);
  const api = readFileSync(join(out, 'api/rondo.html'), 'utf8');
  for (const name of Object.keys(await import('../../src/platform/entry.ts')))
    t.ok(api.includes(`>${name}</h2>`), `the reference has ${name}`);
  t.notMatch(api, /^ {4}(?:private|protected) /m);
});

t.test('every document is a page', async (t) => {
  const tracked = spawnSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' });
  if (tracked.status !== 0) return t.comment('no checkout of git');
  const { SECTIONS } = (await import(join(ROOT, 'scripts/site/pages.mjs'))) as {
    readonly SECTIONS: readonly (readonly [string, readonly string[]])[];
  };
  const pages = SECTIONS.flatMap(([, files]) => files);
  const documents = tracked.stdout.split('\n').filter((file) => /^(?:docs\/.*|examples\/.*|[^/]*)\.md$/.test(file));
  t.same(
    documents.filter((file) => !pages.includes(file)),
    [],
  );
});
