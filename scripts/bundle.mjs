// Joins what tsc made into one script a program (dist/bundle/NAME.js), with V8's code cache beside it: a start then reads two files
// instead of 250, and compiles nothing. Without esbuild (a development dependency) there is no bundle, and programs start from their modules.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROGRAMS, replace, scriptOf, writeCache } from './caches.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const target = join(dist, 'bundle');

/** What a script lacks: a module's own URL, for files that lie beside it, and import() of what is not in the bundle. */
const asModules = {
  name: 'as-modules',
  setup(build) {
    build.onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (!path.startsWith(join(dist, 'src'))) return undefined;
      const url = `moduleUrl(${JSON.stringify(relative(dist, path))})`;
      const contents = readFileSync(path, 'utf8')
        .replaceAll('import.meta.url', url)
        .replace(/(?<![.\w])import\((?!['"]\.)/g, 'importModule(');
      if (/(?<![.\w])import\(/.test(contents))
        throw new Error(`${path}: import() of a relative path cannot be bundled`);
      return { contents, loader: 'js' };
    });
  },
};

rmSync(target, { recursive: true, force: true });
const esbuild = await import('esbuild').catch(() => null);
if (esbuild === null) {
  console.error('esbuild is not installed: no bundle, programs start slower, and there is no page of the dashboard');
} else {
  mkdirSync(target, { recursive: true });
  for (const program of PROGRAMS) await bundle(program);
  await page();
}

/** The dashboard: its files as they are, and its scripts as one, for browsers. */
async function page() {
  const from = join(root, 'src/web/page');
  const to = join(dist, 'src/web/page');
  mkdirSync(to, { recursive: true });
  for (const name of ['index.html', 'style.css', 'icon.svg']) copyFileSync(join(from, name), join(to, name));
  const result = await esbuild.build({
    entryPoints: [join(from, 'page.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
  });
  replace(join(to, 'page.js'), result.outputFiles[0].text);
}

async function bundle(program) {
  const result = await esbuild.build({
    entryPoints: [join(dist, program.entry)],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['koffi'],
    // Constants become literals; names and lines stay readable in a stack.
    minifySyntax: true,
    legalComments: 'none',
    banner: { js: '(function (exports, require, module, moduleUrl, importModule) {' },
    footer: { js: '})' },
    plugins: [asModules],
  });
  const source = result.outputFiles[0].text;
  const id = createHash('sha256').update(source).digest('hex');
  replace(scriptOf(program.name), `//${id}\n${source}`);
  writeCache(program);
}
