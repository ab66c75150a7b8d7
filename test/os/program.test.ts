import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Script } from 'node:vm';
import t from 'tap';
import { loadProgram } from '../../src/os/program.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ID = `//${'a'.repeat(64)}\n`;
const OTHER_ID = `//${'b'.repeat(64)}\n`;

/** A built program of one module, and its bundle, which says another word. */
function build() {
  const root = mkdtempSync(join(tmpdir(), 'rondo-program-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'bundle'));
  const [bundle, cache] = [join(root, 'bundle/toy.js'), join(root, 'bundle/toy.cache')];
  writeFileSync(join(root, 'toy.mjs'), "export const word = 'modules';\n");
  const source = `${ID}(function (exports, require, module, moduleUrl, importModule) {
    module.exports = { word: 'bundle', url: moduleUrl('x/y.js'), host: importModule('node:os').then((os) => os.hostname()) };
  })`;
  writeFileSync(bundle, source);
  const cached = new Script(source, { filename: bundle }).createCachedData();
  const writeCache = (id: string): void => writeFileSync(cache, Buffer.concat([Buffer.from(id), cached]));
  writeCache(ID);
  const dist = pathToFileURL(`${root}/`);
  const load = () =>
    loadProgram<{ word: string; url?: string; host?: Promise<string> }>('toy', 'toy.mjs', dist).then(
      (program) => program,
    );
  return { root, bundle, cache, writeCache, load };
}

t.test('a bundle is used, with its code cache, and can reach what lies beside its modules', async (t) => {
  const { root, load } = build();
  const { main, form } = await load();
  t.equal(form, 'cached bundle');
  t.equal(main.word, 'bundle');
  t.equal(main.url, pathToFileURL(join(root, 'x/y.js')).href);
  t.type(await main.host, 'string');
});

t.test('a code cache of another bundle, or one that others can write, is not read', async (t) => {
  const { cache, writeCache, load } = build();
  writeCache(OTHER_ID);
  t.equal((await load()).form, 'bundle');
  writeCache(ID);
  chmodSync(cache, 0o666);
  t.equal((await load()).form, 'bundle');
});

t.test('a bundle that others can write, that is a link, or that is older than its modules, is not run', async (t) => {
  const writable = build();
  chmodSync(writable.bundle, 0o664);
  t.equal((await writable.load()).main.word, 'modules');
  const linked = build();
  rmSync(linked.bundle);
  symlinkSync(writable.bundle, linked.bundle);
  t.equal((await linked.load()).main.word, 'modules');
  const old = build();
  utimesSync(old.bundle, 1, 1);
  t.equal((await old.load()).main.word, 'modules');
  const half = build(); // the compiler has run since, and made other modules than the first one
  writeFileSync(join(half.root, '.tsbuildinfo'), '');
  utimesSync(join(half.root, '.tsbuildinfo'), 4e9, 4e9);
  t.equal((await half.load()).main.word, 'modules');
});

const isBundled = existsSync(join(ROOT, 'dist/bundle/daemon.js'));
t.test(
  'the code caches of the build fit to how the programs are started',
  { skip: isBundled ? false : 'no esbuild' },
  async (t) => {
    const script = (name: string, entry: string): string =>
      `import('${ROOT}dist/src/os/program.js').then((os) => os.loadProgram('${name}', '${entry}')).then((p) => console.log(p.form))`;
    const form = (options: readonly string[], name: string, entry: string): string =>
      execFileSync(process.execPath, [...options, '-e', script(name, entry)], { encoding: 'utf8' }).trim();
    t.equal(form(['--single-threaded'], 'daemon', 'src/daemon/program.js'), 'cached bundle');
    t.equal(form(['--single-threaded'], 'ring', 'src/ring/run.js'), 'cached bundle');
    t.equal(form([], 'cli', 'src/cli/program.js'), 'cached bundle');
    t.equal(form([], 'tools', 'src/cli/stock/program.js'), 'cached bundle');
  },
);
