// The CommonJS form of what programs import (dist/cjs), module by module, with types: for `require` in every Node.js, and for TypeScript
// projects of CommonJS. Entries share their modules there as they do in the ES form.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closure } from './imports.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'dist/src');
const target = join(root, 'dist/cjs');

/** Entries of package.json that have a form for `require`, as paths below dist/src without `.js`. */
export const ENTRIES = Object.values(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports)
  .map((conditions) => conditions.require?.default)
  .filter((path) => path !== undefined)
  .map((path) => path.slice('./dist/cjs/'.length, -'.js'.length));

export async function buildCommonJs() {
  rmSync(target, { recursive: true, force: true });
  const esbuild = await import('esbuild').catch(() => null);
  if (esbuild === null) {
    console.error('esbuild is not installed: no form of the client for require()');
    return;
  }
  const { files } = closure(ENTRIES.map((entry) => join(source, `${entry}.js`)));
  await esbuild.build({
    entryPoints: files,
    outbase: source,
    outdir: target,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    legalComments: 'none',
  });
  for (const file of closure(ENTRIES.map((entry) => join(source, `${entry}.d.ts`))).files) {
    const copy = join(target, relative(source, file));
    mkdirSync(dirname(copy), { recursive: true });
    writeFileSync(copy, readFileSync(file));
  }
  // Files named .js and .d.ts below here are CommonJS, for Node.js and for TypeScript.
  writeFileSync(join(target, 'package.json'), '{ "type": "commonjs" }\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildCommonJs();
