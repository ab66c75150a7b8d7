import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { importsOf, ROOT, readSources } from './sources.ts';

interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}
interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');
const manifest = JSON.parse(read('package.json')) as Manifest;
const lock = JSON.parse(read('package-lock.json')) as {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, LockEntry>>;
};
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');

t.test('the lock file pins every package to its content, and to no server', async (t) => {
  t.equal(lock.lockfileVersion, 3);
  const loose = packages.filter(([, entry]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(entry.integrity ?? ''));
  t.strictSame(
    loose.map(([path]) => path),
    [],
    'integrity',
  );
  const bound = packages.filter(([, entry]) => entry.resolved !== undefined || entry.link === true);
  t.strictSame(
    bound.map(([path]) => path),
    [],
    'no addresses',
  );
  const root = lock.packages[''] as unknown as Manifest;
  t.strictSame(root.dependencies, manifest.dependencies);
  t.strictSame(root.devDependencies, manifest.devDependencies);
});

t.test('installation runs nobody’s scripts', async (t) => {
  const withScripts = packages.filter(([, entry]) => entry.hasInstallScript === true).map(([path]) => path);
  t.strictSame(
    withScripts,
    ['node_modules/esbuild', 'node_modules/koffi'],
    'their scripts make what their platform packages bring ready',
  );
  for (const file of ['README.md', 'HACKING.md', '.ci/run', 'bin/launch.sh', 'docs/operations.md']) {
    const commands = read(file).match(/\bnpm ci\b[^\n]*/g) ?? [];
    t.strictSame(
      commands.filter((line) => !line.startsWith('npm ci --ignore-scripts')),
      [],
      file,
    );
  }
  for (const file of ['scripts/built.mjs', 'scripts/test.mjs']) t.match(read(file), /'ci', '--ignore-scripts'/, file);
});

t.test('what the product imports is a dependency, and nothing else is', async (t) => {
  const names = readSources(['src', 'workers']).flatMap((source) =>
    importsOf(source)
      .map((item) => item.specifier)
      .filter((specifier) => !/^(?:node:|\.)/.test(specifier))
      .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')),
  );
  t.strictSame([...new Set(names)].sort(), Object.keys(manifest.dependencies).sort());
});

t.test('the linter finds nothing', { timeout: 120_000 }, async (t) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules/@biomejs/biome/bin/biome'), 'check', '--max-diagnostics=20', '.'],
    { cwd: ROOT, encoding: 'utf8' },
  );
  t.equal(status, 0, `${stdout}${stderr}`.slice(-4000));
});

t.test('one command lists what is shipped', { timeout: 120_000 }, async (t) => {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'sbom'], { cwd: ROOT, encoding: 'utf8' });
  t.equal(status, 0, stderr);
  const list = JSON.parse(stdout) as { bomFormat: string; components: { name: string; hashes?: unknown[] }[] };
  t.equal(list.bomFormat, 'CycloneDX');
  const names = list.components.map(({ name }) => name);
  for (const name of Object.keys(manifest.dependencies)) t.ok(names.includes(name), name);
  for (const name of Object.keys(manifest.devDependencies)) t.notOk(names.includes(name), name);
});

t.test('README says of every package why it is here and how to leave it', async (t) => {
  const table = read('README.md').split('## Dependencies')[1]?.split('\n## ')[0] ?? '';
  const rows = table.split('\n').filter((line) => /^\| [\w@]/.test(line) && !line.startsWith('| Package '));
  const named = rows.flatMap((row) => row.split('|')[1]!.replace('(development)', '').trim().split(', '));
  t.strictSame(named.sort(), [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)].sort());
  for (const row of rows) t.notMatch(row, /\|\s*\|/, 'no empty cell');
});
