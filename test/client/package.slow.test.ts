import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

t.setTimeout(200_000);

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const files = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });

function run(command: string, args: readonly string[], cwd: string): string {
  // What npm tells its scripts about the run of this test is not for the one that is tested.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 120_000 });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** The files that a clone would have, and no others; installed packages are those of this checkout. */
function clone(directory: string): void {
  for (const name of files.stdout.toString().split('\0')) {
    if (name === '' || !existsSync(join(ROOT, name))) continue;
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    cpSync(join(ROOT, name), join(directory, name));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
}

/** A project with the package unpacked in it, and of others what it needs. */
function project(directory: string, tarball: string): void {
  const own = join(directory, 'node_modules/rondo');
  mkdirSync(own, { recursive: true });
  run('tar', ['-xzf', tarball, '-C', own, '--strip-components=1'], directory);
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== 'rondo' && !name.startsWith('.')) {
      symlinkSync(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name));
    }
  }
}

const PROGRAM = `import { Cpg, Cmap, ConnectionError, type CpgEvent } from 'rondo';
import type {} from 'rondo/engine';
async function main(): Promise<void> {
  await using cmap = await Cmap.connect({ instance: 'nobody' });
  const cpg = await Cpg.connect({ timeoutMs: 100 });
  for await (const event of cpg.events()) show(event);
  await cpg.close({ timeoutMs: 10 });
}
const show = (event: CpgEvent): void => console.log(event.type);
main().catch((error: unknown) => console.log(error instanceof ConnectionError && error.code));
`;

t.test(
  'the package of a fresh clone works in a strict project',
  { skip: files.status !== 0 && 'no checkout of git' },
  async (t) => {
    const home = mkdtempSync(join(tmpdir(), 'rondo-package-'));
    t.teardown(() => rmSync(home, { recursive: true, force: true }));
    const checkout = join(home, 'clone');
    const app = join(home, 'app');
    mkdirSync(app);
    mkdirSync(checkout);
    clone(checkout);
    t.notOk(existsSync(join(checkout, 'dist')));
    const [packed] = JSON.parse(run('npm', ['pack', '--json'], checkout)) as {
      filename: string;
      files: { path: string }[];
    }[];
    const paths = packed!.files.map(({ path }) => path);
    for (const path of [
      'dist/src/client/index.js',
      'dist/src/client/index.d.ts',
      'dist/src/daemon/entry.js',
      'bin/rondo',
      'dist/src/web/page/index.html',
      'dist/src/web/page/page.js',
      'docs/metrics.md',
      'conf/prometheus/rondo.rules.yml',
    ]) {
      t.ok(paths.includes(path), path);
    }
    t.same(
      paths.filter((path) => path.startsWith('dist/test')),
      [],
    );
    // The maps of what a program loads; those of the daemon would only make the package larger.
    t.ok(paths.includes('dist/src/client/index.js.map'));
    t.same(
      paths.filter((path) => /^dist\/(bundle|workers|src\/(daemon|ring|totem|knet))\/.*\.map$/.test(path)),
      [],
    );

    project(app, join(checkout, packed!.filename));
    writeFileSync(join(app, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(app, 'program.ts'), PROGRAM);
    const options = ['--strict', '--skipLibCheck', 'false', '--module', 'nodenext', '--target', 'es2022'];
    const lib = ['--lib', 'es2023,esnext.disposable', '--types', 'node'];
    run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...options, ...lib, 'program.ts'], app);
    t.match(run(process.execPath, ['program.js'], app), 'RONDO_NOT_RUNNING');
    t.match(run(process.execPath, ['node_modules/rondo/dist/src/cli/entry.js', '--version'], app), /^rondo \d/);
    writeFileSync(join(app, 'program.cjs'), "console.log(typeof require('rondo').Cpg.connect);");
    t.match(run(process.execPath, ['program.cjs'], app), 'function');
  },
);
