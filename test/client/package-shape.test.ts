import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
interface Conditions {
  readonly types: string;
  readonly default: string;
}
type Entry = string | Conditions | { readonly import: Conditions; readonly require: Conditions };
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly private?: boolean;
  readonly publishConfig: unknown;
  readonly type: string;
  readonly exports: Readonly<Record<string, Entry>>;
};
interface NamedEntry {
  readonly name: string;
  readonly import: Conditions;
  readonly require?: Conditions;
}
const entries = Object.entries(manifest.exports).flatMap(([name, entry]): NamedEntry[] => {
  if (typeof entry === 'string') return [];
  return 'import' in entry ? [{ name, ...entry }] : [{ name, import: entry }];
});
const { closure } = (await import(join(ROOT, 'scripts/imports.mjs'))) as {
  readonly closure: (entries: readonly string[]) => {
    readonly files: readonly string[];
    readonly packages: readonly string[];
  };
};
const hasCommonJs = existsSync(join(ROOT, 'dist/cjs'));
const skip = hasCommonJs ? false : 'npm run build has not made dist/cjs';

/** What Node.js and TypeScript take a file named .js or .d.ts for: the nearest package.json decides. */
function typeOf(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const path = join(folder, 'package.json');
    if (existsSync(path))
      return (JSON.parse(readFileSync(path, 'utf8')) as { readonly type?: string }).type ?? 'commonjs';
  }
}

// The rules that publint and arethetypeswrong judge by.
t.test('every condition has its file, its types beside it, of its own kind of module', { skip }, async (t) => {
  t.notOk(manifest.private);
  t.same(manifest.publishConfig, { access: 'public', provenance: true });
  for (const { name, import: es, require: common } of entries) {
    for (const [kind, conditions] of [
      ['module', es],
      ['commonjs', common],
    ] as const) {
      if (conditions === undefined) continue;
      t.same(Object.keys(conditions), ['types', 'default'], 'types come first');
      for (const path of [conditions.types, conditions.default]) {
        t.ok(existsSync(join(ROOT, path)), path);
        t.equal(typeOf(join(ROOT, path)), kind, `${name}: ${path}`);
      }
      t.equal(conditions.types.replace(/\.d\.ts$/, ''), conditions.default.replace(/\.js$/, ''));
      for (const ending of ['types', 'default'] as const) {
        for (const file of closure([join(ROOT, conditions[ending])]).files) {
          if (!existsSync(file)) t.fail(`${relative(ROOT, file)} is imported and is not there`);
          else if (ending === 'default' && !existsSync(`${file}.map`)) t.fail(`${relative(ROOT, file)} has no map`);
        }
      }
    }
  }
  const map = JSON.parse(readFileSync(join(ROOT, 'dist/cjs/client/cpg.js.map'), 'utf8')) as {
    readonly sources: readonly string[];
    readonly sourcesContent: readonly string[];
  };
  t.same(map.sources, ['../../../src/client/cpg.ts'], 'maps lead to what was written');
  t.match(map.sourcesContent[0], 'export class Cpg');
});

t.test('the client pulls in the FFI and nothing else', async (t) => {
  const main = entries.find(({ name }) => name === '.')!;
  const { files, packages } = closure([join(ROOT, main.import.default)]);
  t.same(
    packages.filter((name) => !name.startsWith('node:')),
    ['koffi'],
  );
  const folders = new Set(files.map((file) => relative(join(ROOT, 'dist/src'), file).split('/')[0]));
  t.same([...folders].sort(), ['client', 'ipc', 'lib', 'os', 'platform', 'services']);
  t.same(
    files.filter((file) => /\/services\/(?!codec\/)|\/ipc\/server\//.test(file)),
    [],
    'of the services the layouts of their messages only',
  );
});

t.test('both forms in one process recognise each other', { skip }, async (t) => {
  const common = createRequire(import.meta.url)('rondo') as typeof import('../../src/platform/entry.ts');
  const name = 'rondo';
  const es = (await import(name)) as typeof common;
  t.not(common.Cpg, es.Cpg);
  t.same(Object.keys(common).sort(), Object.keys(es).sort());
  t.ok(new es.ArgumentError('a') instanceof common.ArgumentError);
  t.ok(new common.StateError('RONDO_NOT_JOINED', 'b') instanceof es.RondoError);
  const testing = (await import(`${name}/testing`)) as typeof import('../../src/testing/index.ts');
  const cluster = await testing.createTestCluster(1);
  const cpg = await common.Cpg.connect(cluster.connectOptions(1));
  await cluster.run(cpg.join('both'));
  t.pass('a test cluster of the one serves clients of the other');
  cpg.destroy();
  await cluster.close();
});
