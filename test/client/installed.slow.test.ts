import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { LoopbackCluster } from '../daemon/loopback-cluster.ts';

t.setTimeout(400_000);

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PROGRAM_MS = 60_000;
const CLIENT_BYTES_MAX = 1 << 20;
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
const [, program] = /```ts\n(import { Cpg } from 'rondo';.*?)```/s.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))!;

function run(command: string, args: readonly string[], cwd: string): SpawnSyncReturns<string> {
  return spawnSync(command, args, { cwd, env: environment, encoding: 'utf8', timeout: 180_000 });
}

function mustRun(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = run(command, args, cwd);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** It has printed its own membership, and its message. */
const works = (text: string): boolean =>
  text.includes("type: 'membership'") && text.includes('104, 101, 108, 108, 111');

/** Runs the README's program until that works; returns what it printed. */
async function output(file: string, cwd: string, instance: string): Promise<string> {
  const env = { ...environment, RONDO_IPC_INSTANCE: instance };
  const child = spawn(process.execPath, [file], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: PROGRAM_MS });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (works(text)) child.kill();
    });
  await new Promise((resolve) => child.once('close', resolve));
  return text;
}

t.test('the packed tarball, installed by npm, runs the program of the README', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'rondo-installed-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  mustRun('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', home], ROOT);
  mustRun(process.execPath, [join(ROOT, 'scripts/package/client.mjs'), '--out', home], ROOT);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
  const client = join(home, `rondo-client-${version}.tgz`);
  t.ok(statSync(client).size < CLIENT_BYTES_MAX, `the client alone has ${statSync(client).size} bytes`);

  const cluster = await LoopbackCluster.create(1, 'udpu');
  t.teardown(() => cluster.end());
  cluster.start(0);
  await cluster.members(0, [1]);

  for (const [name, tarball] of [
    ['rondo', join(home, `rondo-${version}.tgz`)],
    ['rondo-client under the name rondo', client],
  ] as const) {
    const app = join(home, name.replaceAll(' ', '-'));
    mkdirSync(join(app, 'common'), { recursive: true });
    const dependencies = { rondo: `file:${tarball}` };
    writeFileSync(join(app, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
    const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund'];
    const installed = [
      [...install, '--offline'],
      [...install, '--prefer-offline'],
    ].some((args) => run('npm', args, app).status === 0);
    if (!installed) {
      await t.test(
        name,
        { skip: 'npm cannot install koffi here, neither from its cache nor from a registry' },
        () => {},
      );
      continue;
    }
    for (const types of ['@types', 'undici-types'])
      symlinkSync(join(ROOT, 'node_modules', types), join(app, 'node_modules', types));
    const compile = (file: string, cwd: string, module: string, resolution: string, outDir: string): string =>
      mustRun(
        process.execPath,
        [
          join(ROOT, 'node_modules/typescript/bin/tsc'),
          ...['--strict', '--skipLibCheck', 'false', '--target', 'es2022', '--types', 'node'],
          ...['--lib', 'es2023,esnext.disposable', '--outDir', outDir],
          ...['--module', module, '--moduleResolution', resolution, file],
        ],
        cwd,
      );
    await t.test(`${name}: strict TypeScript`, async (t) => {
      writeFileSync(join(app, 'program.ts'), program!);
      compile('program.ts', app, 'nodenext', 'nodenext', 'nodenext');
      compile('program.ts', app, 'esnext', 'bundler', 'bundler');
      for (const folder of ['nodenext', 'bundler']) {
        const text = await output(join(folder, 'program.js'), app, cluster.instance(0));
        t.ok(works(text), `${folder}: ${text}`);
      }
    });
    await t.test(`${name}: CommonJS, in JavaScript and in TypeScript`, async (t) => {
      const common = join(app, 'common');
      writeFileSync(join(common, 'package.json'), '{ "type": "commonjs" }');
      const [first, ...rest] = program!.split('\n');
      // There is no await outside of a function there.
      const body = `(async () => {\n${rest.join('\n')}\n})();\n`;
      writeFileSync(join(common, 'program.js'), `const { Cpg } = require('rondo');\n${body}`);
      const text = await output('program.js', common, cluster.instance(0));
      t.ok(works(text), `require: ${text}`);
      writeFileSync(join(common, 'typed.ts'), `${first}\n${body}`);
      compile('typed.ts', common, 'node16', 'node16', 'out');
      t.match(readFileSync(join(common, 'out/typed.js'), 'utf8'), 'require("rondo")');
      t.ok(works(await output('out/typed.js', common, cluster.instance(0))), 'TypeScript');
    });
    await t.test(`${name}: a bundle of esbuild, with the FFI beside it`, async (t) => {
      writeFileSync(join(app, 'bundled.js'), program!);
      const { build } = await import('esbuild');
      const result = await build({
        absWorkingDir: app,
        entryPoints: ['bundled.js'],
        bundle: true,
        platform: 'node',
        format: 'esm',
        outfile: 'bundle.mjs',
        external: ['koffi'],
        metafile: true,
        logLevel: 'silent',
      });
      t.same(result.warnings, []);
      t.same(
        Object.values(result.metafile.outputs).flatMap(({ imports }) =>
          imports.filter(({ path }) => path !== 'koffi' && !path.startsWith('node:')),
        ),
        [],
        'nothing but the FFI and what Node.js has',
      );
      t.ok(works(await output('bundle.mjs', app, cluster.instance(0))));
    });
  }
});
