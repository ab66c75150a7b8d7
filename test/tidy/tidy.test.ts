import t from 'tap';
import { actingConstructors } from './constructors.ts';
import { deadExports, deadFiles, deadMembers, NameCount } from './dead.ts';
import { dialectNames, dialectTexts } from './dialect.ts';
import { importCycles } from './import-cycles.ts';
import { breaches, hubBreaches, PURE } from './layers.ts';
import { openKinds } from './log-lines.ts';
import { doubleNames } from './names.ts';
import { missingFiles } from './paths.ts';
import { brokenReferences, readBook } from './references.ts';
import { namedServices, serviceNames } from './services.ts';
import { functionSizes } from './sizes.ts';
import { importsOf, readDocuments, readSources, type Source } from './sources.ts';

const LIMITS = {
  sourceBytesMax: 24_000,
  testBytesMax: 40_000,
  /** Nine in ten files of src/ are below this. */
  usualBytesMax: 15_000,
  functionLinesMax: 80,
} as const;

/** Exceptions, each with its reason. Keep this list short: a split is nearly always better. */
const LARGE_FILES: Readonly<Record<string, string>> = {};
const LONG_FUNCTIONS: Readonly<Record<string, string>> = {};

/** What is started from outside. */
const ENTRIES = [
  'src/cli/entry.ts',
  'src/daemon/entry.ts',
  'src/services/api.ts',
  'src/services/evs/engine.ts',
  'src/services/examples/kv/engine.ts',
  'src/node/index.ts',
  'src/platform/entry.ts',
  'src/testing/index.ts',
  'src/web/page/page.ts',
  'workers/ring.ts',
];

/** Used by the tests of the project, and entries by their parts. */
const FOR_TOOLS = [
  'src/totem/invariants.ts',
  'src/services/examples/kv/client.ts',
  'src/cli/demo/main.ts',
  'src/cli/stock/entry.ts',
];

const sources = readSources(['src', 'workers']);
const tests = readSources(['test', 'perf']);
const inFolder = (folder: string) => (source: Source) => source.path.startsWith(`src/${folder}/`);

t.test('imports follow the arrows between the layers', async (t) => {
  t.same(breaches(sources.filter((source) => source.path.startsWith('src/'))), []);
});

t.test('what serves every service names none', async (t) => {
  const names = serviceNames(sources);
  t.ok(names.includes('cpg') && names.includes('ykd'), `services: ${names.join(' ')}`);
  t.same(
    sources.flatMap((source) => namedServices(source, names)),
    [],
  );
});

t.test('no files import each other in a circle', async (t) => {
  t.same(importCycles(sources), []);
});

t.test('parts do not import the hub that joins them', async (t) => {
  t.same(hubBreaches(sources), []);
});

t.test('worker entry points only wire', async (t) => {
  const big = sources.filter((source) => source.path.startsWith('workers/') && source.lines.length > 120);
  t.same(
    big.map((source) => source.path),
    [],
  );
});

t.test('calls of foreign functions stay in os', async (t) => {
  const users = [...sources, ...tests].filter(
    (source) => !inFolder('os')(source) && importsOf(source).some((item) => item.specifier === 'koffi'),
  );
  t.same(
    users.map((source) => source.path),
    [],
  );
});

t.test('pure folders know no clock, chance, log or environment', async (t) => {
  const impure = /\b(?:Date\.now|new Date|Math\.random|performance\.now|setTimeout|setInterval|console\.|process\.)/;
  const found = PURE.filter((folder) => folder !== 'lib').flatMap((folder) =>
    sources
      .filter(inFolder(folder))
      .flatMap((source) =>
        source.lines.flatMap((line, at) => (impure.test(stripComment(line)) ? [`${source.path}:${at + 1}`] : [])),
      ),
  );
  t.same(found, []);
});

t.test('the type system is not switched off', async (t) => {
  const patterns: readonly (readonly [RegExp, string])[] = [
    [/(?::|\bas|<|\|)\s*any\b(?!\s*\()/, 'any'],
    [/@ts-(?:ignore|nocheck|expect-error)/, 'suppressed type error'],
    [/biome-ignore(?!.*: \S)/, 'lint suppression without a reason'],
  ];
  const found = [...sources, ...tests]
    .filter((source) => !source.path.startsWith('test/tidy/'))
    .flatMap((source) =>
      source.lines.flatMap((line, at) =>
        patterns
          .filter(([pattern, what]) => pattern.test(what === 'any' ? stripComment(line) : line))
          .map(([, what]) => `${source.path}:${at + 1}: ${what}`),
      ),
    );
  t.same(found, []);
});

t.test('what comments and documents quote stands in the protocol book', async (t) => {
  const book = readBook();
  const own = (source: Source) => source.path.startsWith('test/tidy/');
  const quoting = [...sources, ...tests.filter((source) => !own(source)), ...readDocuments(['docs', 'docs/protocol'])];
  t.same(
    quoting.flatMap((source) => brokenReferences(source, book)),
    [],
  );
});

t.test('the files that documents name are there', async (t) => {
  t.same(readDocuments(['docs', 'docs/protocol', '.']).flatMap(missingFiles), []);
});

t.test('the map of the house names every room', async (t) => {
  const [map] = readDocuments(['docs']).filter(({ path }) => path === 'docs/architecture.md');
  const rooms = new Set(
    sources.flatMap(({ path }) => {
      const [, room] = /^src\/(\w+(?:\/\w+)?)\/[^/]+$/.exec(path) ?? [];
      return room ?? [];
    }),
  );
  const named = (room: string): boolean =>
    map?.text.includes(room) === true || map?.text.includes(`\`${room.split('/')[1]}/\``) === true;
  t.same(
    [...rooms].filter((room) => !named(room)),
    [],
  );
});

t.test('what is only made does not act', async (t) => {
  t.same(sources.flatMap(actingConstructors), []);
});

t.test('nobody but us chooses the kinds of log lines', async (t) => {
  t.same(sources.flatMap(openKinds), []);
});

t.test('an exported name stands for one thing', async (t) => {
  t.same(doubleNames(sources), []);
});

t.test('names are of the words of the field', async (t) => {
  const own = (source: Source) => source.path.startsWith('test/tidy/');
  const scripts = readSources(['scripts'], /\.mjs$/);
  t.same([...sources, ...tests.filter((source) => !own(source)), ...scripts].flatMap(dialectNames), []);
  t.same(sources.flatMap(dialectTexts), [], 'texts that users read');
});

t.test('nothing is dead', async (t) => {
  const scripts = readSources(['scripts', 'bin'], /\.mjs$|^bin\//);
  const names = new NameCount([...sources, ...tests, ...scripts]);
  // Structures of the wire are asserted as a whole against captures of stock (test/services/codec).
  const looked = sources.filter((source) => !inFolder('services/codec')(source));
  t.same(deadExports(looked, names), [], 'exports');
  // The client's classes are for programs that are not here.
  const inside = looked.filter((source) => !inFolder('client')(source));
  t.same(deadMembers(inside, names), [], 'members');
  const written = scripts.flatMap(({ text }) =>
    [...text.matchAll(/dist\/(src\/[\w/-]+)\.js/g)].map(([, path]) => `${path}.ts`),
  );
  t.same(deadFiles(sources, sources, [...ENTRIES, ...FOR_TOOLS, ...written]), [], 'files');
});

t.test('files stay small', async (t) => {
  const tooLarge = [...sources, ...tests]
    .filter((source) => LARGE_FILES[source.path] === undefined)
    .filter((source) => source.text.length > (isTest(source) ? LIMITS.testBytesMax : LIMITS.sourceBytesMax))
    .map((source) => `${source.path}: ${source.text.length} bytes`);
  t.same(tooLarge, []);
  const unusual = sources.filter((source) => source.text.length > LIMITS.usualBytesMax);
  t.ok(
    unusual.length * 10 <= sources.length,
    `${unusual.length} of ${sources.length} files are above ${LIMITS.usualBytesMax} bytes: ${unusual
      .map((source) => source.path)
      .join(', ')}`,
  );
});

t.test('functions stay short', async (t) => {
  const tooLong = sources
    .flatMap(functionSizes)
    .filter((item) => item.lines > LIMITS.functionLinesMax)
    .filter((item) => LONG_FUNCTIONS[`${item.where.replace(/:\d+$/, '')}:${item.name}`] === undefined)
    .map((item) => `${item.where} ${item.name}: ${item.lines} lines`);
  t.same(tooLong, []);
});

function isTest(source: Source): boolean {
  return !source.path.startsWith('src/') && !source.path.startsWith('workers/');
}

function stripComment(line: string): string {
  return line.replace(/^\s*(?:\*|\/\*\*?).*$/, '').replace(/\s\/\/.*$/, '');
}

t.test('no test is known to be unstable', async (t) => {
  const [ledger] = readDocuments(['test']).filter((source) => source.path === 'test/unstable.md');
  const rows = ledger?.lines.filter((line) => line.startsWith('|')).slice(2);
  t.same(rows, [], 'test/unstable.md has no rows: mend the causes first');
});
