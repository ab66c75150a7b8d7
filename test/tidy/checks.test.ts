import t from 'tap';
import { actingConstructors } from './constructors.ts';
import { deadExports, deadFiles, deadMembers, NameCount } from './dead.ts';
import { dialectNames, dialectTexts } from './dialect.ts';
import { importCycles } from './import-cycles.ts';
import { breaches, hubBreaches } from './layers.ts';
import { openKinds } from './log-lines.ts';
import { doubleNames } from './names.ts';
import { missingFiles } from './paths.ts';
import { brokenReferences, indexBook } from './references.ts';
import { namedServices } from './services.ts';
import { functionSizes } from './sizes.ts';
import type { Source } from './sources.ts';

const source = (path: string, text: string): Source => ({ path, text, lines: text.split('\n') });

t.test('a part that imports its hub is found, also by type', async (t) => {
  const found = (path: string, text: string) => hubBreaches([source(path, text)]).length;
  t.equal(found('src/daemon/signals.ts', "import type { Daemon } from './daemon.ts';"), 1);
  t.equal(found('src/ring/cpg/cpg-service.ts', "import type { RunningRing } from '../running-ring.ts';"), 1);
  t.equal(found('src/daemon/main.ts', "import { Daemon } from './daemon.ts';"), 0);
});

t.test('a service that a hub names is found', async (t) => {
  const found = (path: string, text: string) => namedServices(source(path, text), ['cpg', 'ykd']).length;
  t.equal(found('src/ring/ring-thread.ts', 'if (serviceId === ServiceId.CPG) return;'), 1);
  t.equal(found('src/daemon/daemon.ts', "if (provider === 'corosync_ykd') return;"), 1);
  t.equal(found('src/daemon/daemon.ts', "import { YkdEngine } from '../services/ykd/engine.ts';"), 1);
  t.equal(found('src/ring/cpg/cpg-client.ts', "import { CpgCore } from '../../services/cpg/cpg-core.ts';"), 0);
  t.equal(found('src/daemon/engines.ts', "import { YkdEngine } from '../services/ykd/engine.ts';"), 0);
  t.equal(found('src/daemon/stats.ts', "import type { StatsMap } from '../services/cmap/stats-map.ts';"), 0);
});

t.test('a name for two things is found', async (t) => {
  const one = source('src/a.ts', 'export class Link {}\nexport const createEngine = 1;\n');
  const two = source('src/b.ts', 'export interface Link {}\nexport const createEngine = 2;\nclass One {}\n');
  t.same(doubleNames([one, two]), ['Link: src/a.ts, src/b.ts']);
  t.same(doubleNames([one, source('src/b.ts', 'class Link {}')]), []);
});

t.test('a name of the house dialect is found', async (t) => {
  const found = (text: string) => dialectNames(source('src/a.ts', text)).length;
  t.equal(found('this.tellWatchers(keys); const ANSWER_MS = 2; type Answer = 1;'), 3);
  t.equal(found('sayDenied(); standStill(); StateWord.STANDING_STILL; say(1)'), 3);
  t.equal(found("// it is told\nconst text = 'no answer'; const satellite = intellect; // tells"), 0);
  t.equal(
    found('t.match(text, /did not answer/); const x = a / tell / b;'),
    1,
    'patterns are texts, quotients are not',
  );
  t.equal(found('const text = `$'.concat('{told} is told`;')), 1);
});

t.test('a text in the house dialect is found', async (t) => {
  const found = (text: string) => dialectTexts(source('src/a.ts', text)).length;
  t.equal(found("const text = 'no answer from nodes'; log(`it is told`); const doc = 'it stands still';"), 3);
  t.equal(found("// 'answered'\nconst text = 'cannot tell, said the answering'.slice(1);"), 1);
  t.equal(found("const text = 'it did not respond';"), 0);
});

t.test('a file that a document names and that is gone is found', async (t) => {
  t.same(missingFiles(source('docs/a.md', '`src/totem/srp.ts`, `src/totem/` and `src/totem/gone.ts`')), [
    'docs/a.md:1: src/totem/gone.ts',
  ]);
  const walk = '## Five walks\n| a | `totem/srp` → `totem/gone` |\n## Next\n`totem/other`';
  t.same(missingFiles(source('docs/architecture.md', walk)), ['docs/architecture.md:2: totem/gone']);
});

t.test('a constructor that acts is found', async (t) => {
  const found = (...body: string[]) =>
    actingConstructors(
      source('src/a.ts', ['class A {', '  constructor(private readonly x: X) {', ...body, '  }', '}'].join('\n')),
    );
  t.same(found('    this.timer = setInterval(() => this.look(), 5);'), ['src/a.ts:3']);
  t.same(found('    this.text = readFileSync(x);'), ['src/a.ts:3']);
  t.same(
    found('    this.later = () => setTimeout(x, 5);', '    this.b = (y) => {', '      openSocket(y);', '    };'),
    [],
  );
  t.same(
    actingConstructors(
      source('src/a.ts', '  constructor(private readonly x: X) {}\n\n  start() {\n    setTimeout(f);\n  }'),
    ),
    [],
  );
});

t.test('a breach of the layers is found', async (t) => {
  const found = (path: string, text: string) => breaches([source(path, text)]).length;
  t.equal(found('src/totem/a.ts', "import { b } from '../lib/b.ts';"), 0);
  t.equal(found('src/totem/a.ts', "import { b } from '../knet/b.ts';"), 1);
  t.equal(found('src/totem/a.ts', "import { readFileSync } from 'node:fs';"), 1);
  t.equal(found('src/lib/a.ts', "import koffi from 'koffi';"), 1);
  t.equal(found('src/bridge/a.ts', "import type { TotemConfig } from '../config/totem-config.ts';"), 0);
  t.equal(found('src/bridge/a.ts', "import { parse } from '../config/parse.ts';"), 1);
  t.equal(found('src/ring/a.ts', "import {\n  cpg,\n} from '../services/cpg/engine.ts';"), 0);
  t.equal(found('src/ring/a.ts', "import { quorum } from '../services/quorum.ts';"), 1);
  t.equal(found('src/services/a.ts', "const x = await import('../os/socket.ts');"), 1);
  t.equal(found('src/nowhere/a.ts', ''), 1);
});

t.test('a circle of imports is found', async (t) => {
  const a = source('src/lib/a.ts', "import { b } from './b.ts';");
  const b = source('src/lib/b.ts', "import { c } from '../os/c.ts';");
  const c = source('src/os/c.ts', "import {\n  a,\n} from '../lib/a.ts';");
  t.same(importCycles([a, b, c]), ['src/lib/a.ts <-> src/lib/b.ts <-> src/os/c.ts']);
  t.same(importCycles([a, b]), []);
  t.same(importCycles([a, source('src/lib/b.ts', "import type { A } from './a.ts';")]), [], 'types may');
});

t.test('function bodies are measured', async (t) => {
  const text = [
    'export function one(): void {',
    '  a();',
    '}',
    'class A {',
    '  private async two(x: number): Promise<void> {',
    '    if (x) {',
    '      b();',
    '    }',
    '  }',
    '}',
    'const three = (): void => {',
    '  c();',
    '};',
  ].join('\n');
  t.same(
    functionSizes(source('src/lib/a.ts', text)).map((item) => [item.name, item.lines]),
    [
      ['one', 1],
      ['two', 3],
      ['three', 1],
    ],
  );
});

t.test('a reference that leads nowhere is found', async (t) => {
  const book = new Map([
    ['totem', indexBook('## 4. Ring\n### 4.8 Token\n1. not a trap\n## 8. Traps\n1. One\n2. Two')],
    ['services', indexBook('## 14. Traps\n\n**T1** lists\n**T16** track stop')],
  ]);
  const found = (text: string) => brokenReferences(source('src/totem/a.ts', text), book).length;
  t.equal(found('/** The token (totem.md 4.8). */'), 0);
  t.equal(found('/** The token (totem.md\n * 4.8 step 13, trap 2). */'), 0);
  t.equal(found('// totem.md 4.9'), 1);
  t.equal(found('// totem.md 4.8, 5.5'), 1);
  t.equal(found('// totem.md trap 3'), 1);
  t.equal(found('// totem.md traps 1, 2'), 0);
  t.equal(found('// services.md T16'), 0);
  t.equal(found('// services.md T17'), 1);
  t.equal(found('// as always (trap 1)'), 1, 'the document is missing');
  t.equal(found("t.test('wraps (trap 1)', fn)"), 1);
  t.equal(found("const x = 'trap 1';"), 0, 'not a comment');
});

t.test('a log line whose kind others choose is found', async (t) => {
  const found = (text: string) => openKinds(source('src/services/a.ts', text.replaceAll('@', '$'))).length;
  t.equal(found("log('info', 'CPG', `@{processName} went away`);"), 1);
  t.equal(found("log('info', 'CPG', `@{processName} went away`, 'gone');"), 0);
  t.equal(found("log('info', 'CPG', `a client of this host: @{processName}`);"), 1);
  t.equal(found("log('info', 'CPG', `a client of this host went away: @{processName}`);"), 0);
  t.equal(found("log('info', 'CPG', `node @{nodeId}: @{processName}`);"), 1);
  t.equal(found("log('info', 'CPG', `node @{nodeId} went away`);"), 0);
  t.equal(found("log('info', `Client @{remote} went away`);"), 1, 'where there is one subsystem only');
  t.equal(found("log('info', `Client @{remote} went away`, 'gone');"), 0);
  t.equal(found("log('info', `@{count} clients went away`);"), 0);
  t.equal(found("log('info', remote);"), 1);
});

t.test('dead code is found', async (t) => {
  const used = source(
    'src/lib/a.ts',
    'export const one = 1;\nexport class Two {\n  three(): void {\n    x();\n  }\n  four = 4;\n}',
  );
  const user = source(
    'src/lib/b.ts',
    "import { Two } from './a.ts';\nnew Two().four; // one, three\nconst table = {\n  five: 5,\n};",
  );
  const names = new NameCount([used, user]);
  t.same(deadExports([used], names), ['src/lib/a.ts: one'], 'a comment is no use');
  t.same(deadMembers([used, user], names), ['src/lib/a.ts: three'], 'entries of tables are not members');
  t.same(deadFiles([used, user], [used, user], ['src/lib/c.ts']), ['src/lib/b.ts']);
});
