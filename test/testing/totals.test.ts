import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

interface Result {
  readonly file: string;
  readonly seconds: number;
  readonly reader: {
    readonly passed: number;
    readonly failed: number;
    readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  };
}

interface Run {
  readonly unstable: readonly string[];
  readonly seconds: number;
  readonly stopped: {
    readonly broken: readonly { readonly file: string; readonly passed: number; readonly failed: number }[];
    readonly files: number;
  } | null;
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const { totalLines } = (await import(join(ROOT, 'scripts/test-totals.mjs'))) as {
  totalLines(results: readonly Result[], run: Run): readonly string[];
};

const result = (file: string, seconds: number, failed = 0, skipped: readonly string[] = []): Result => ({
  file,
  seconds,
  reader: { passed: 3, failed, skipped: skipped.map((name) => ({ name, reason: 'no root' })) },
});
const whole: Run = { unstable: [], seconds: 75, stopped: null };

t.test('the totals of a run', async (t) => {
  const lines = totalLines([result('b', 3, 1), result('a', 12.34)], whole);
  t.same(lines, [
    'longest:',
    '      12.3 s  a',
    '       3.0 s  b',
    'all of it took 75 s',
    '6 passed, 1 failed, 0 skipped',
  ]);
});

t.test('what was skipped is counted by reason, and only some are named', async (t) => {
  const names = ['1', '2', '3', '4', '5', '6', '7'];
  const lines = totalLines([result('a', 1, 0, names)], { ...whole, seconds: 3671, unstable: ['x'] });
  t.equal(lines[0], 'skipped, no root: 7 tests');
  t.equal(lines[6], '    … and 2 more');
  t.match(lines.at(-3), /^unstable: x /);
  t.same(lines.slice(-2), ['all of it took 61 min 11 s', '3 passed, 0 failed, 7 skipped'], 'the totals stand alone');
});

t.test('the ten longest files', async (t) => {
  const lines = totalLines(
    Array.from({ length: 30 }, (_, at) => result(`f${at}`, at)),
    whole,
  );
  t.equal(lines.length, 13);
  t.match(lines[1], /29\.0 s {2}f29$/);
});

t.test('a run that was stopped says so, also before any file has ended', async (t) => {
  const stopped = { broken: [{ file: 'lab', passed: 14, failed: 1 }], files: 9 };
  t.same(totalLines([], { ...whole, stopped }), [
    'stopped after 0 of 9 files, inside',
    '    lab: 14 passed, 1 failed until then',
    'all of it took 75 s',
    '0 passed, 0 failed, 0 skipped',
  ]);
  t.equal(
    totalLines([result('a', 1)], { ...whole, stopped: { broken: [], files: 9 } })[0],
    'stopped after 1 of 9 files',
  );
});
