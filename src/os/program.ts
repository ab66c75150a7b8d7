import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { importInTurn } from './import-in-turn.ts';

/** Folder of the built program: what module names are relative to. */
const DIST = new URL('../../', import.meta.url);
/** First line of a bundle and of its code cache, equal when they belong together: `//`, a SHA-256 in hexadecimal, newline. */
const ID_BYTES = 67;
const OTHERS_MAY_WRITE = 0o022;

/** Modules of Node.js that most starts do not need, each loaded when something of it is used. */
const LAZY = new Set([
  'node:child_process',
  'node:crypto',
  'node:dgram',
  'node:dns/promises',
  'node:http',
  'node:readline',
  'node:tls',
  'assert',
]);

type Require = (id: string) => unknown;

type Wrapper = (
  exports: object,
  require: Require,
  module: { exports: object },
  moduleUrl: (path: string) => string,
  importModule: (specifier: string) => Promise<unknown>,
) => void;

/** How a program was loaded: from its modules, or from its bundle, with or without compiling it. */
export type ProgramForm = 'modules' | 'bundle' | 'cached bundle';

export interface Program<T> {
  readonly main: T;
  readonly form: ProgramForm;
}

/**
 * Loads a program: its bundle (scripts/bundle.mjs) where the build has made one, else the module that the bundle was made of.
 *
 * @param bundle name of the bundle
 * @param entry path of the module below `dist`; what the bundle exports is what it exports
 * @param dist folder of what the build made
 */
export async function loadProgram<T extends object>(bundle: string, entry: string, dist = DIST): Promise<Program<T>> {
  const url = new URL(entry, dist);
  const bundled = loadBundle<T>(bundle, url, dist);
  return bundled ?? { main: await importInTurn<T>(url), form: 'modules' };
}

function loadBundle<T extends object>(name: string, entry: URL, dist: URL): Program<T> | null {
  const filename = fileURLToPath(new URL(`bundle/${name}.js`, dist));
  const code = readTrusted(filename, statSync(entry));
  // The compiler's record of the last build is newer than the bundle when modules were built since.
  const built = statSync(new URL('.tsbuildinfo', dist), { throwIfNoEntry: false });
  if (code !== null && built !== undefined && code.stats.mtimeMs < built.mtimeMs) return null;
  if (code === null) return null;
  const cache = readTrusted(`${filename.slice(0, -'js'.length)}cache`, code.stats);
  const fits = cache !== null && cache.bytes.compare(code.bytes, 0, ID_BYTES, 0, ID_BYTES) === 0;
  const script = new Script(code.bytes.toString('utf8'), {
    filename,
    ...(fits ? { cachedData: cache.bytes.subarray(ID_BYTES) } : {}),
  });
  const module = { exports: {} };
  const run = script.runInThisContext() as Wrapper; // the bundle's banner makes it one
  const moduleUrl = (path: string): string => new URL(path, dist).href;
  // A script has no import() of its own before Node.js 21.7: it gets this module's.
  const importModule = (specifier: string): Promise<unknown> => import(specifier);
  run(module.exports, lazily(createRequire(entry)), module, moduleUrl, importModule);
  const form = fits && script.cachedDataRejected === false ? 'cached bundle' : 'bundle';
  return { main: module.exports as T, form }; // the caller names the entry, and so knows its type
}

function lazily(require: Require): Require {
  return (id) => {
    if (!LAZY.has(id)) return require(id);
    const loaded = () =>
      require(id) as Readonly<Record<PropertyKey, unknown>> & ((...parts: readonly unknown[]) => unknown);
    return new Proxy(() => {}, {
      get: (_target, name) => loaded()[name],
      apply: (_target, _self, parts: readonly unknown[]) => loaded()(...parts),
    });
  };
}

/**
 * A file of the build as trustworthy as what it was made of: V8 runs a code cache without looking at it. `null`: there is none, others
 * can write it or own it, or it is older, as after a build without bundles.
 */
function readTrusted(path: string, original: Stats): { readonly bytes: Buffer; readonly stats: Stats } | null {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return null;
  }
  try {
    const stats = fstatSync(fd);
    const trusted = stats.isFile() && (stats.mode & OTHERS_MAY_WRITE) === 0 && stats.uid === original.uid;
    if (!trusted || stats.mtimeMs < original.mtimeMs) return null;
    return { bytes: readFileSync(fd), stats };
  } finally {
    closeSync(fd);
  }
}
